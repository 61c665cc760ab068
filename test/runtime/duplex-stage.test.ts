import assert from 'node:assert/strict'
import { Duplex, PassThrough, Transform } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.ts'
import type { Batch } from '../../src/record/batch.ts'
import { runDuplex } from '../../src/runtime/duplex-stage.ts'
import dedup from '../../src/transforms/dedup.ts'
import { openRecords, outcomeOf, runStage } from '../transforms/stage.ts'
import type { Outcome } from '../transforms/stage.ts'

interface Thing {
  readonly n: number
}

test('unchanged objects keep their bytes, and the batch is the same object', async () => {
  const [batch] = openRecords(['{ "n" : 1.0 }', '{"n":12345678901234567890}'])
  assert.deepEqual(await runDuplex(batch, { duplex: () => new PassThrough({ objectMode: true }) }, { stage: 'same' }), [
    batch,
  ])
})

test('a stream is made, fed and drained for each batch', async () => {
  let made = 0
  const sum = (): Duplex => {
    made++
    return Duplex.from(async function* (things: AsyncIterable<Thing>) {
      let total = 0
      for await (const { n } of things) total += n
      yield { total }
    })
  }
  const outcome = await run([...openRecords(numbers(4)), ...openRecords(numbers(3))], sum)
  assert.equal(made, 2)
  assert.deepEqual(outcome.lines, ['{"total":6}', '{"total":3}'])
  assert.deepEqual(outcome.dropped, { stream: 5 })
})

test('missing outputs count as dropped, extra ones as added, others as changed', async () => {
  const fewer = await run(openRecords(numbers(5)), () => each(({ n }) => (n % 2 === 0 ? [{ n }] : [])))
  assert.deepEqual(fewer.lines, ['{"n":0}', '{"n":2}', '{"n":4}'])
  assert.deepEqual(fewer.dropped, { stream: 2 })
  const more = await run(openRecords(numbers(2)), () => each((thing) => [thing, { ...thing, copy: true }]))
  assert.deepEqual(more.lines, ['{"n":0}', '{"n":0,"copy":true}', '{"n":1}', '{"n":1,"copy":true}'])
  assert.equal(more.batches[0].tallies.added, 2)
  const others = await run(openRecords(numbers(2)), () => each(({ n }) => [{ n: n + 1 }]))
  assert.deepEqual(others.lines, ['{"n":1}', '{"n":2}'])
})

test('large batches pass through streams with small buffers', async () => {
  const outcome = await run(openRecords(numbers(5000)), () =>
    Duplex.from(async function* (things: AsyncIterable<Thing>) {
      for await (const { n } of things) {
        if (n % 100 === 0) await setImmediate()
        yield { n: -n }
      }
    }),
  )
  assert.equal(outcome.lines.length, 5000)
  assert.equal(outcome.lines[4999], '{"n":-4999}')
})

test('an object keeps its digest only if it comes out unchanged, and once', async () => {
  const { batches } = await runStage(dedup, { key: 'n' }, numbers(3))
  const keys = [...(batches[0].digests?.keys ?? [])]
  const outcome = await run(batches, () =>
    each((thing) => (thing.n === 0 ? [] : thing.n === 1 ? [{ n: 9 }] : [thing, thing])),
  )
  assert.deepEqual(outcome.lines, ['{"n":9}', '{"n":2}', '{"n":2}'])
  const none = [0, 0, 0, 0]
  assert.deepEqual([...(outcome.batches[0].digests?.keys ?? [])], [...none, ...keys.slice(8), ...none])
})

test('rejected records stay, and the stream does not see them', async () => {
  const [batch] = openRecords(['{"n":0}', 'no json', '{"n":2}'])
  const outcome = await run([batch], () => each(({ n }) => [{ n: n + 1 }]))
  assert.deepEqual(outcome.lines, ['{"n":1}', '{"n":3}'])
  assert.deepEqual(
    outcome.rejects.map(({ line, code }) => [line, code]),
    [[2, 'INVALID_JSON']],
  )
})

test('a stream that fails ends the run, without its message', async () => {
  const failing: readonly (() => Duplex)[] = [
    () => each(() => fail(new TypeError('hunter2'))),
    () => new Transform({ objectMode: true, transform: () => fail(new TypeError('hunter2')) }),
    () => new PassThrough({ objectMode: true, flush: (done) => done(new TypeError('hunter2')) }),
    () => new PassThrough({ objectMode: true, flush: () => fail(new TypeError('hunter2')) }),
    () =>
      Duplex.from(async function* (things: AsyncIterable<Thing>) {
        for await (const thing of things) yield thing.n === 1 ? fail(new TypeError('hunter2')) : thing
      }),
    () => fail(new TypeError('hunter2')),
  ]
  for (const duplex of failing) {
    await assert.rejects(run(openRecords(numbers(3)), duplex), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'TRANSFORM_FAILED')
      assert.match(error.message, /^stage stream: TypeError at duplex-stage\.test\.[jt]s:\d+:\d+$/)
      return true
    })
  }
})

test('an output that is not a record ends the run', async () => {
  for (const output of ['text', 7, [], new Date(), { n: Number.NaN }]) {
    await assert.rejects(
      run(openRecords(numbers(1)), () => each(() => [output])),
      { code: 'TRANSFORM_FAILED' },
    )
  }
})

test('a stalled stream ends the run', async () => {
  const still: readonly (() => Duplex)[] = [
    () => new Transform({ objectMode: true, transform() {} }),
    () => new Duplex({ objectMode: true, read() {}, write: (_chunk, _encoding, done) => done() }),
  ]
  for (const duplex of still) {
    const [batch] = openRecords(numbers(40))
    await assert.rejects(runDuplex(batch, { duplex }, { stage: 'stream', deadline: 20 }), {
      code: 'TRANSFORM_FAILED',
      message: 'stage stream: its stream stalled for 0.02 s',
    })
  }
})

async function run(batches: readonly Batch[], duplex: () => Duplex): Promise<Outcome> {
  const made: Batch[] = []
  for (const batch of batches) made.push(...(await runDuplex(batch, { duplex }, { stage: 'stream' })))
  return outcomeOf(made)
}

function each(work: (thing: Thing) => readonly unknown[]): Duplex {
  return new Transform({
    objectMode: true,
    transform(thing: Thing, _encoding, done) {
      try {
        for (const output of work(thing)) this.push(output)
        done()
      } catch (error) {
        done(error instanceof Error ? error : new Error('odd', { cause: error }))
      }
    },
  })
}

function numbers(count: number): Thing[] {
  return Array.from({ length: count }, (_, n) => ({ n }))
}

function fail(error: Error): never {
  throw error
}
