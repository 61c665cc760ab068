import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough, Transform } from 'node:stream'
import type { Readable, TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { defineSink, defineSource, sink, source, SluiceError, transform } from '../../../src/index.ts'
import type { Batch, Record, SinkWritable } from '../../../src/index.ts'

const BATCHES = 50

/** Yields batches of one record, and counts how many were asked for. */
function countingSource() {
  const counts = { yielded: 0, ended: 0 }
  const component = defineSource({
    type: 'counting',
    summary: 'Counts.',
    repeats: false,
    fields: {},
    create: () => ({
      async *read({ signal }) {
        try {
          for (let id = 0; id < BATCHES && !signal.aborted; id++) {
            counts.yielded++
            yield { records: [{ id }], position: id }
          }
        } finally {
          counts.ended++
        }
      },
    }),
  })
  return { counts, component }
}

/** A stream sink that keeps the lines in memory. */
function memorySink() {
  const seen = { lines: new Array<string>(), closed: 0, flushed: 0 }
  const component = defineSink({
    type: 'memory',
    summary: 'Keeps lines.',
    delivers: 'stream',
    fields: {},
    create: () => ({
      async write(bytes) {
        seen.lines.push(...bytes.toString().trim().split('\n'))
      },
      async flush() {
        seen.flushed++
      },
      close() {
        seen.closed++
      },
    }),
  })
  return { seen, component }
}

function fail(record: Record): Promise<Record> | Record {
  return record.get('id') === 3 ? Promise.reject(new Error('no')) : record
}

function own(change: (batch: Batch, stream: Transform, done: TransformCallback) => void): Transform {
  return new Transform({
    objectMode: true,
    highWaterMark: 1,
    transform(batch: Batch, _encoding, done) {
      change(batch, this, done)
    },
  })
}

function throwing(at: number): Transform {
  return own((batch, _stream, done) => {
    if (batch.number === at) throw new Error('mine')
    done(null, batch)
  })
}

function byId(): Transform {
  return transform({ type: 'dedup', key: ['id'] })
}

async function outcome(running: Promise<void>): Promise<unknown> {
  return running.then(
    () => undefined,
    (reason: unknown) => reason,
  )
}

type Between = NodeJS.ReadWriteStream | ((batches: AsyncIterable<unknown>) => AsyncIterable<unknown>)

/** Runs a pipeline with streams of the program between source and sink, and returns its failure. */
async function run(...between: readonly Between[]) {
  const { counts, component } = countingSource()
  const { seen, component: memory } = memorySink()
  const last: SinkWritable = sink(memory)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const streams = [source(component), ...between, last] as unknown as [Readable, ...NodeJS.ReadWriteStream[]]
  const error = await outcome(pipeline(streams))
  return { counts, seen, last, error }
}

function assertRefused(error: unknown, code: string, message: RegExp): void {
  assert.ok(error instanceof SluiceError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
}

describe('a stream of the program between the stages', () => {
  const passing: readonly [title: string, stream: () => Between][] = [
    ['a PassThrough', () => new PassThrough({ objectMode: true })],
    [
      'an async generator',
      () =>
        async function* (batches) {
          yield* batches
        },
    ],
    ['a transform that answers later', () => own((batch, _stream, done) => void setImmediate(() => done(null, batch)))],
  ]
  for (const [title, stream] of passing) {
    test(`may be ${title}`, async () => {
      const { seen, last, error } = await run(stream(), transform({ type: 'dedup', key: ['id'] }), stream())
      assert.equal(error, undefined)
      assert.deepEqual(
        seen.lines,
        Array.from({ length: BATCHES }, (_, id) => `{"id":${id}}`),
      )
      assert.equal(last.report()?.outcome, 'done')
    })
  }

  test('may drop records of a batch; the ledger counts them', async () => {
    const drop = own((batch, _stream, done) => {
      for (let record = 0; record < batch.count; record++) if (batch.number % 2 === 0) batch.drop(record, 'even')
      done(null, batch)
    })
    const { seen, last, error } = await run(drop)
    assert.equal(error, undefined)
    assert.equal(seen.lines.length, BATCHES / 2)
    assert.equal(last.report()?.dropped['even'], BATCHES / 2)
  })

  const broken: readonly [title: string, stream: () => Transform, message: RegExp][] = [
    [
      'loses a batch',
      () => own((batch, _stream, done) => (batch.number === 3 ? done() : done(null, batch))),
      /batch 4 .* but 3 .* was due/,
    ],
    [
      'loses the last batch',
      () => own((batch, _stream, done) => (batch.number === BATCHES - 1 ? done() : done(null, batch))),
      /after 50 batches .* but 49 arrived/,
    ],
    [
      'repeats a batch',
      () =>
        own((batch, stream, done) => {
          if (batch.number === 3) stream.push(batch)
          done(null, batch)
        }),
      /batch 3 .* but 4 .* was due/,
    ],
    [
      'repeats the end',
      () =>
        own((batch, stream, done) => {
          if (batch.end) stream.push(batch)
          done(null, batch)
        }),
      /after the source's end/,
    ],
    [
      'loses the end',
      () => own((batch, _stream, done) => (batch.end ? done() : done(null, batch))),
      /ended without the source's end/,
    ],
    ['swaps two batches', swapping, /batch 4 .* but 3 .* was due/],
  ]
  for (const [title, stream, message] of broken) {
    test(`fails the pipeline when it ${title}`, async () => {
      const { error, seen, last } = await run(stream())
      assertRefused(error, 'LEDGER_MISMATCH', message)
      assert.deepEqual([last.report()?.outcome, seen.closed], ['failed', 1])
    })
  }

  const refused: readonly [title: string, streams: () => Between[], message: RegExp][] = [
    [
      'turns batches into objects',
      () => [own((_batch, _stream, done) => done(null, { id: 1 }))],
      /sink memory received an object instead of a batch/,
    ],
    [
      'turns batches into bytes before a transform',
      () => [
        own((_batch, _stream, done) => done(null, Buffer.from('{}\n'))),
        transform({ type: 'dedup', key: ['id'] }),
      ],
      /transform dedup received bytes instead of a batch/,
    ],
  ]
  for (const [title, streams, message] of refused) {
    test(`is refused before anything is read when it ${title}`, async () => {
      const { error, counts } = await run(...streams())
      assertRefused(error, 'CONFIG_INVALID', message)
      assert.equal(counts.yielded, 0)
    })
  }

  test('is refused after a while when it keeps the opening batch', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const swallowed = deferred()
    const running = run(
      own((_batch, _stream, done) => {
        swallowed.resolve()
        done()
      }),
    )
    await swallowed.promise
    await turns(1)
    t.mock.timers.tick(60_000)
    const { error, counts } = await running
    assertRefused(error, 'CONFIG_INVALID', /has not reached a sink within 60 s/)
    assert.equal(counts.yielded, 0)
  })

  test('holds the source back while it takes its time', async () => {
    const { counts, component } = countingSource()
    const { seen, component: memory } = memorySink()
    const held = deferred()
    let release: (() => void) | undefined
    const slow = own((batch, _stream, done) => {
      if (batch.number < 5) return done(null, batch)
      held.resolve()
      release = () => done(null, batch)
    })
    const running = pipeline(source(component), transform({ type: 'dedup', key: ['id'] }), slow, sink(memory))
    await held.promise
    // Everything that can move has moved when nothing changes over many turns of the event loop.
    await turns(200)
    const { yielded } = counts
    await turns(200)
    assert.equal(counts.yielded, yielded)
    assert.ok(yielded <= 5 + 8, `${yielded} batches were read, but 5 have passed`)
    while (seen.flushed === 0) {
      release?.()
      release = undefined
      await turns(1)
    }
    await running
    assert.equal(seen.lines.length, BATCHES)
  })

  test('ends the pipeline with its own error, and everything is closed', async () => {
    const mine = new TypeError('mine')
    const { error, counts, seen, last } = await run(
      own((batch, _stream, done) => (batch.number === 3 ? done(mine) : done(null, batch))),
    )
    assert.equal(error, mine)
    // `pipeline` does not wait for streams that its failure destroys.
    if (!last.closed) await new Promise((resolve) => last.once('close', resolve))
    assert.deepEqual([seen.closed, seen.flushed], [1, 0])
    await turns(5)
    assert.equal(counts.ended, 1)
    assert.equal(last.report()?.outcome, 'failed')
  })

  test('ends the pipeline with what it throws, wherever it stands', async () => {
    for (const at of [0, 3, BATCHES - 1]) {
      for (const between of [
        [throwing(at), byId()],
        [byId(), throwing(at)],
        [transform((record) => Promise.resolve(record)), throwing(at), byId()],
      ]) {
        const { error, last, seen, counts } = await run(...between)
        assert.ok(error instanceof Error && error.message === 'mine', String(error))
        if (!last.closed) await EventEmitter.once(last, 'close')
        // The opening batch has the number 0 too: then nothing was opened.
        assert.equal(seen.closed, counts.yielded > 0 ? 1 : 0)
      }
    }
  })

  test('is refused when it takes bytes, with what to change', async () => {
    for (const between of [[new PassThrough()], [transform((record) => record), new PassThrough()]]) {
      const { error } = await run(...between)
      assertRefused(error, 'CONFIG_INVALID', /takes bytes or text, and no batches/)
      assert.match(String(error instanceof SluiceError && error.hint), /objectMode: true/)
    }
  })

  test('closes the pipeline after .pipe(), which destroys nothing by itself', async () => {
    const { counts, component } = countingSource()
    const { seen, component: memory } = memorySink()
    const errors: Error[] = []
    const note = (error: Error): void => void errors.push(error)
    const last = sink(memory)
    source(component)
      .pipe(transform({ type: fail, onError: 'stop' }).on('error', note))
      .pipe(last)
    await new Promise((resolve) => last.once('close', resolve))
    await turns(5)
    assert.match(String(errors), /TRANSFORM_FAILED|stage fail/)
    assert.deepEqual([seen.closed, counts.ended], [1, 1])
  })

  test('gets batches whose memory stays as it is when it keeps them', async () => {
    const kept: Batch[] = []
    const keep = own((batch, _stream, done) => {
      kept.push(batch)
      done(null, batch)
    })
    const { error } = await run(keep, transform({ type: 'dedup', key: ['id'] }))
    assert.equal(error, undefined)
    const lines = kept.flatMap((batch) => (batch.count > 0 ? [batch.line(0).toString()] : []))
    assert.deepEqual(
      lines,
      Array.from({ length: BATCHES }, (_, id) => `{"id":${id}}`),
    )
  })
})

describe('two pipelines that share a stream', () => {
  test('are refused: two sources', async () => {
    const { component } = countingSource()
    const { component: memory } = memorySink()
    const both = new PassThrough({ objectMode: true })
    const last = sink(memory)
    const [first, second] = [source(component), source(component)]
    for (const one of [first, second]) one.pipe(both, { end: false })
    both.pipe(last)
    const [, refusal, failure] = await Promise.all([first, second, last].map(failureOrClose))
    assertRefused(failure, 'CONFIG_INVALID', /a second source leads to sink memory/)
    assertRefused(refusal, 'CONFIG_INVALID', /a second source leads to sink memory/)
  })

  test('are refused: two sinks', async () => {
    const { component } = countingSource()
    const first = source(component)
    const sinks = [memorySink(), memorySink()].map(({ component: memory }) => sink(memory))
    const ended = [first, ...sinks].map(failureOrClose)
    for (const one of sinks) first.pipe(one)
    const [, , error] = await Promise.all(ended)
    assertRefused(error, 'CONFIG_INVALID', /leads to a second sink/)
  })
})

function failureOrClose(stream: NodeJS.EventEmitter): Promise<unknown> {
  return new Promise((resolve) => {
    stream.once('error', resolve).once('close', () => resolve(undefined))
  })
}

/** Passes batches 3 and 4 in the wrong order. */
function swapping(): Transform {
  let held: Batch | undefined
  return own((batch, stream, done) => {
    if (batch.number === 3 && held === undefined) {
      held = batch
      return done()
    }
    done(null, batch)
    if (batch.number === 4) stream.push(held)
  })
}

interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
}

function deferred(): Deferred {
  const events = new EventEmitter()
  const promise = new Promise<void>((resolve) => events.once('resolved', resolve))
  return { promise, resolve: () => void events.emit('resolved') }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
