/**
 * Runs a pipeline of the current folder until SIGTERM, on a clock that the test follows: it answers each
 * new time once its servers have it. Measures itself in between.
 */
import { readdir } from 'node:fs/promises'
import yargs from 'yargs'
import { execute, executeOptions } from '../../../src/cli/run/execute.ts'
import { loadAgain } from '../../../src/cli/run/load-again.ts'
import { loadOrFail } from '../../../src/cli/load.ts'
import { metricsOptions, withMetrics } from '../../../src/cli/metrics-options.ts'
import { asSluiceError } from '../../../src/errors.ts'
import { HOUR } from '../../../src/time.ts'
import { openSoakClock } from './soak-clock.ts'

/** What the process holds at a virtual time. */
export interface Sample {
  readonly now: number
  readonly heap: number
  readonly external: number
  readonly descriptors: number
  readonly listeners: number
  /** Files below the state folder, without those of dedup buckets. */
  readonly files: number
}

/** Messages to the test. */
export type SoakMessage = { readonly now: number; readonly sample?: Sample } | { readonly outcome: string }

const [name = '', start = '', interval = ''] = process.argv.slice(2)
const SAMPLE_EVERY = Number(interval) * HOUR
let nextSample = Number(start) + SAMPLE_EVERY

const { clock, exchange } = openSoakClock(Number(start), async (now) => {
  const isDue = now >= nextSample
  if (isDue) nextSample += SAMPLE_EVERY
  await report({ now, ...(isDue && { sample: await measure(now) }) })
})

const args = yargs(['--state', 'state', '--json', '--metrics', '127.0.0.1:0'])
  .options({ ...executeOptions, ...metricsOptions })
  .parseSync()

try {
  const options = { mode: 'run', set: [] } as const
  const [pipeline] = await loadOrFail([name], options)
  const load = () => loadAgain(name, options)
  const job = { pipeline, load, follow: true, clock, exchange }
  await withMetrics(args, () => execute([job], args))
  await send({ outcome: 'done' })
} catch (error) {
  await send({ outcome: asSluiceError(error, 'INTERNAL', 'the soak failed').code })
}
process.disconnect()

/** Tells the test, and waits for its answer. */
function report(message: SoakMessage): Promise<void> {
  return new Promise((resolve) => {
    process.once('message', () => resolve())
    void send(message)
  })
}

function send(message: SoakMessage): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()))
}

async function measure(now: number): Promise<Sample> {
  // Twice: what finalizers free is gone only then.
  global.gc?.()
  await new Promise((resolve) => setImmediate(resolve))
  global.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  const listeners = process.eventNames().reduce((sum, event) => sum + process.listenerCount(event), 0)
  const [descriptors, files] = await Promise.all([readdir('/proc/self/fd'), readdir('state', { recursive: true })])
  return {
    now,
    heap: heapUsed,
    external,
    listeners,
    descriptors: descriptors.length,
    files: files.filter((file) => !file.includes('/dedup/')).length,
  }
}
