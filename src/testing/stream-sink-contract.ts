import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SinkDeclaration, StreamSink } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { contextOf, configure } from './configure.ts'
import { ABORT_MS, casesWith, isAbort, nameOf, turns, withoutHanging } from './contract-case.ts'
import type { ContractCase, NotApplicable } from './contract-case.ts'

/** A receiver that has got nothing yet, fresh for each case. */
export interface Receiver {
  /** The sink's configuration as in a pipeline file, without `type`. */
  readonly config: object
  /** All NDJSON lines that have arrived so far, in their order of arrival. */
  readonly received: () => Promise<Buffer> | Buffer
  readonly close?: () => Promise<void> | void
}

/**
 * What the suite does to a receiver. Where something is not possible, give the reason as text in
 * place of the function.
 */
export interface StreamSinkFixture<Received extends Receiver> {
  readonly open: () => Promise<Received>
  /**
   * Makes the receiver take nothing more, without closing. The function that it returns makes it
   * continue.
   */
  readonly stall: NotApplicable | ((receiver: Received) => Promise<() => Promise<void>>)
  /** Makes the receiver refuse, or go away. */
  readonly fail: NotApplicable | ((receiver: Received) => Promise<void>)
  /** The code of the error that `fail` leads to. Default: any but SINK_CLOSED, which is no failure. */
  readonly code?: ErrorCode
}

/** Bytes that a sink may hold: written, and not yet with the receiver. */
const MAX_HELD = 16 << 20
const WRITES = 96
const WRITE_BYTES = 512 << 10
/** A receiver to which nothing comes for so long gets nothing more. */
const IDLE_MS = 20
const IDLE_LIMIT = 150
const SMALL_WRITES = 20_000
/** A write that takes longer waits for its receiver. */
const WAITING_MS = 1000

/**
 * Tries a stream sink by the rules of `StreamSink`: every line once and in order, buffers,
 * backpressure, aborts, errors. The cases may run in any order, one at a time.
 */
export function streamSinkContract<Received extends Receiver>(
  declaration: SinkDeclaration,
  fixture: StreamSinkFixture<Received>,
): ContractCase[] {
  const on = (check: (bench: Bench<Received>) => Promise<void>) => async (): Promise<void> => {
    const receiver = await fixture.open()
    const sinks: StreamSink[] = []
    try {
      await check({ declaration, receiver, sinks })
    } finally {
      for (const sink of sinks) await sink.close?.()
      await receiver.close?.()
    }
  }
  const { stall, fail, code } = fixture
  const isReused = declaration.reusesBuffers === true
  return [
    { name: 'delivers every line once, in order, before flush resolves', run: on(delivers) },
    { name: 'delivers a run without records', run: on(deliversNothing) },
    { name: 'delivers while it is written to, not only in flush', run: on(holdsLittle) },
    { name: 'does not change the bytes that it is given', run: on(leavesBytes) },
    ...(isReused
      ? [{ name: 'is done with the bytes of a write when it resolves, as reusesBuffers says', run: on(keepsNothing) }]
      : []),
    ...casesWith(stall, (act) => [
      ...(isReused
        ? [
            {
              name: 'is done with the bytes of a small write when it resolves, also if its receiver is slow',
              run: on((bench) => keepsNothingWhileWaiting(bench, act)),
            },
          ]
        : []),
      { name: 'waits for a receiver that does not keep up', run: on((bench) => waits(bench, act)) },
      { name: 'ends a write when the signal aborts', run: on((bench) => aborts(bench, act)) },
    ]),
    ...casesWith(fail, (act) =>
      (['before the first write', 'between two writes', 'before flush'] as const).map((when) => ({
        name: `reports a receiver that fails ${when} as a SluiceError`,
        run: on((bench) => reportsFailure(bench, { fail: act, when, code })),
      })),
    ),
  ]
}

interface Bench<Received extends Receiver> {
  readonly declaration: SinkDeclaration
  readonly receiver: Received
  /** Those that the case has created, to be closed after it. */
  readonly sinks: StreamSink[]
}

async function create<Received extends Receiver>({
  declaration,
  receiver,
  sinks,
}: Bench<Received>): Promise<StreamSink> {
  assert.equal(declaration.delivers, 'stream', 'a stream sink is declared with delivers: stream')
  const sink = await declaration.create(await configure(declaration, receiver.config), contextOf(declaration))
  assert.ok('write' in sink, 'a stream sink has write and flush')
  sinks.push(sink)
  return sink
}

const NEVER = new AbortController().signal

/** Lines that differ from all others, about as many bytes as the runtime writes at once. */
function linesOf(number: number, bytes = WRITE_BYTES): Buffer {
  const lines: string[] = []
  for (let length = 0, line = 0; length < bytes; line++) {
    const text = `{"write":${number},"line":${line},"text":"${'x'.repeat(180)}"}\n`
    lines.push(text)
    length += text.length
  }
  return Buffer.from(lines.join(''))
}

async function write(sink: StreamSink, bytes: Buffer, signal = NEVER): Promise<void> {
  await withoutHanging('a write', sink.write(bytes, signal))
}

async function flush(sink: StreamSink): Promise<void> {
  await withoutHanging('flush', sink.flush())
}

async function delivers<Received extends Receiver>(bench: Bench<Received>): Promise<void> {
  const sink = await create(bench)
  const writes = [1, 1, WRITE_BYTES, 1, 4 * WRITE_BYTES, 700].map((bytes, at) => linesOf(at, bytes))
  for (const bytes of writes) await write(sink, bytes)
  await flush(sink)
  checkReceived(await bench.receiver.received(), writes, 'when flush has resolved')
}

function checkReceived(received: Buffer, writes: readonly Buffer[], when: string): void {
  const wanted = Buffer.concat(writes)
  if (received.equals(wanted)) return
  const found = received.toString().split('\n').slice(0, -1)
  const distinct = new Set(found).size
  const lines = wanted.toString().split('\n').slice(0, -1)
  const wrong = lines.findIndex((line, at) => line !== found[at])
  assert.fail(
    `${lines.length} lines were written; ${found.length} arrived (${distinct} distinct) ${when}, the first difference is in line ${wrong + 1}`,
  )
}

async function deliversNothing<Received extends Receiver>(bench: Bench<Received>): Promise<void> {
  await flush(await create(bench))
  assert.equal((await bench.receiver.received()).length, 0, 'a run without records delivered something')
}

async function holdsLittle<Received extends Receiver>(bench: Bench<Received>): Promise<void> {
  const sink = await create(bench)
  let written = 0
  for (let at = 0; at < WRITES; at++) {
    const bytes = linesOf(at)
    written += bytes.length
    await write(sink, bytes)
  }
  let arrived = 0
  for (let idle = 0; arrived < written - MAX_HELD; idle++) {
    const { length } = await bench.receiver.received()
    if (length > arrived) idle = 0
    arrived = length
    assert.ok(
      idle < IDLE_LIMIT,
      `of ${written} bytes written, ${arrived} arrived without a flush; a sink holds ${MAX_HELD} at most`,
    )
    await sleep(IDLE_MS)
  }
  await flush(sink)
}

async function leavesBytes<Received extends Receiver>(bench: Bench<Received>): Promise<void> {
  const sink = await create(bench)
  const bytes = linesOf(0)
  const copy = Buffer.from(bytes)
  await write(sink, bytes)
  await flush(sink)
  assert.ok(bytes.equals(copy), 'the sink changed bytes that it was given to write')
}

/** As when the memory of each write is used for the next one. */
async function keepsNothing<Received extends Receiver>(bench: Bench<Received>): Promise<void> {
  const sink = await create(bench)
  const memory = Buffer.alloc(2 * WRITE_BYTES)
  const writes: Buffer[] = []
  for (let at = 0; at < 20; at++) {
    const bytes = linesOf(at)
    writes.push(bytes)
    bytes.copy(memory)
    await write(sink, memory.subarray(0, bytes.length))
    memory.fill('~')
  }
  await flush(sink)
  checkReceived(await bench.receiver.received(), writes, 'although memory of finished writes was reused')
}

/**
 * Lines that fit into every buffer on the way: a socket takes them at once and sends them later.
 */
async function keepsNothingWhileWaiting<Received extends Receiver>(
  bench: Bench<Received>,
  stall: (receiver: Received) => Promise<() => Promise<void>>,
): Promise<void> {
  const sink = await create(bench)
  const resume = await stall(bench.receiver)
  const memory = Buffer.alloc(1024)
  const writes: Buffer[] = []
  let waiting: Promise<void> | undefined
  for (let at = 0; at < SMALL_WRITES && waiting === undefined; at++) {
    const line = Buffer.from(`{"line":${at},"text":"${'x'.repeat(880)}"}\n`)
    writes.push(line)
    line.copy(memory)
    const result = sink.write(memory.subarray(0, line.length), NEVER)
    const first = await Promise.race([result.then(() => 'done' as const), sleep(WAITING_MS, 'waiting' as const)])
    if (first === 'waiting') waiting = result
    else memory.fill('~')
  }
  await resume()
  if (waiting) await withoutHanging('a write whose receiver continues', waiting)
  memory.fill('~')
  await flush(sink)
  checkReceived(await bench.receiver.received(), writes, 'although memory of finished writes was reused')
}

/** Writes until a write has to wait. Its result, in time: the error that it ended with, if any. */
async function writeUntilWaiting(
  sink: StreamSink,
  signal: AbortSignal,
  written: Buffer[],
): Promise<{ readonly result: Promise<unknown> } | undefined> {
  for (let at = 0; at < WRITES; at++) {
    const bytes = linesOf(at)
    written.push(bytes)
    const result = sink.write(bytes, signal).then(
      () => undefined,
      (error: unknown) => error ?? 'nothing',
    )
    const first = await Promise.race([result, sleep(WAITING_MS, 'waiting' as const)])
    if (first === 'waiting') return { result }
    if (first !== undefined) throw first
  }
  return undefined
}

async function waits<Received extends Receiver>(
  bench: Bench<Received>,
  stall: (receiver: Received) => Promise<() => Promise<void>>,
): Promise<void> {
  const sink = await create(bench)
  const resume = await stall(bench.receiver)
  const written: Buffer[] = []
  const waiting = await writeUntilWaiting(sink, NEVER, written)
  await resume()
  assert.ok(
    waiting,
    `${WRITES} writes of ${WRITE_BYTES} bytes resolved while the receiver took nothing: without backpressure memory grows with the input`,
  )
  assert.equal(await withoutHanging('a write whose receiver goes on', waiting.result), undefined)
  await flush(sink)
  checkReceived(await bench.receiver.received(), written, 'after the receiver went on')
}

async function aborts<Received extends Receiver>(
  bench: Bench<Received>,
  stall: (receiver: Received) => Promise<() => Promise<void>>,
): Promise<void> {
  const sink = await create(bench)
  const resume = await stall(bench.receiver)
  const stop = new AbortController()
  const waiting = await writeUntilWaiting(sink, stop.signal, [])
  assert.ok(waiting, 'no write waits for a receiver that takes nothing: see the case on backpressure')
  await turns(1)
  stop.abort(new Error('the run failed'))
  try {
    const error = await withoutHanging('a write that was aborted', waiting.result, ABORT_MS)
    if (error !== undefined && !isAbort(error, stop.signal) && !(error instanceof SluiceError)) {
      assert.fail(`a write that was aborted threw ${nameOf(error)}: neither the reason nor a SluiceError`)
    }
  } finally {
    await resume()
  }
}

interface Failing<Received extends Receiver> {
  readonly fail: (receiver: Received) => Promise<void>
  readonly when: 'before the first write' | 'between two writes' | 'before flush'
  readonly code: ErrorCode | undefined
}

async function reportsFailure<Received extends Receiver>(
  bench: Bench<Received>,
  { fail, when, code }: Failing<Received>,
): Promise<void> {
  const [result] = await Promise.allSettled([runInto(bench, fail, when)])
  if (result.status === 'fulfilled') assert.fail('a run whose receiver failed ended without an error')
  const error: unknown = result.reason
  if (error instanceof assert.AssertionError) throw error
  assert.ok(error instanceof SluiceError, `a sink throws a SluiceError with a code, not ${nameOf(error)}`)
  if (code !== undefined) assert.equal(error.code, code, 'the code of the error')
  else assert.notEqual(error.code, 'SINK_CLOSED', 'SINK_CLOSED is for a receiver that wants no more: the run succeeds')
}

/** A run: writes, then a flush. A failure before the flush strikes the bytes of the last write. */
async function runInto<Received extends Receiver>(
  bench: Bench<Received>,
  fail: Failing<Received>['fail'],
  when: Failing<Received>['when'],
): Promise<void> {
  const sink = await create(bench)
  if (when === 'before the first write') await fail(bench.receiver)
  await write(sink, linesOf(0))
  if (when === 'between two writes') await fail(bench.receiver)
  const writes = when === 'before flush' ? 1 : WRITES
  for (let at = 1; at < writes; at++) await write(sink, linesOf(at))
  if (when === 'before flush') {
    await fail(bench.receiver)
    await write(sink, linesOf(1, 1))
  }
  await flush(sink)
}
