import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SourcePart } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { RunEvents } from '../observe/bus/run-events.ts'
import { Intake } from '../runtime/intake.ts'
import { anySignal } from '../signals.ts'
import { executeShard } from './execute-shard.ts'

interface MeasureOptions {
  readonly final: boolean
  readonly signal: AbortSignal
}

/**
 * Bytes, as stored, that one worker reads, transforms, compresses and writes to a local disk in a second;
 * measured on a part for a moment. Undefined if the part is too small, or fails. What is written is
 * removed.
 */
export async function measureRate(
  pipeline: CheckedPipeline,
  part: SourcePart,
  { final, signal }: MeasureOptions,
): Promise<number | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-rate-'))
  const ending = new AbortController()
  const stop = anySignal(signal, ending.signal)
  const intake = new Intake()
  const task = {
    run: '00000000',
    runNumber: 0,
    createdAt: Date.now(),
    attempt: 1,
    shard: { number: 0, parts: [part], bytes: part.bytes },
  }
  const execution = executeShard(pipeline, task, {
    hashKey: randomBytes(16),
    generation: '00000000',
    folder,
    final,
    keepGoing: true,
    signal: stop,
    events: new RunEvents(pipeline.name, { isRehearsal: true }),
    intake,
  })
  const ended = execution.then(
    () => 'ended' as const,
    () => 'ended' as const,
  )
  try {
    const wait = (ms: number) => Promise.race([ended, sleep(ms, undefined, { signal: stop, ref: true })])
    if ((await wait(WARM_MS)) === 'ended') return undefined
    const from = intake.bytes
    const started = performance.now()
    await wait(MEASURE_MS)
    const read = intake.bytes - from
    return read > 0 ? (read / (performance.now() - started)) * 1000 : undefined
  } finally {
    ending.abort()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}

/** Until the code is compiled and all buffers are in use. */
const WARM_MS = 700
const MEASURE_MS = 1300
