import { SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'
import { callProgram, thrownBy } from '../runtime/streams/program-log.ts'
import type { OnThrow } from '../runtime/streams/program-log.ts'

/** How much a run has read. */
export interface Progress {
  readonly records: number
  /** Bytes of input, before decompression. */
  readonly bytes: number
  /** How many bytes there are, if that is known. */
  readonly totalBytes?: number | undefined
  /** The event time up to which a source of time windows has read, in milliseconds since 1970. */
  readonly readUpTo?: number | undefined
}

/** Reports progress each second, and once at the end. Returns a function that ends it. */
export function progressTo(onProgress: (progress: Progress) => void, { run }: RunEvents, failed: OnThrow): () => void {
  const readUpTo = new Map<string, number>()
  let [records, bytes] = [0, 0]
  let totalBytes: number | undefined
  let timer: NodeJS.Timeout | undefined
  const report = (): void => {
    const times = [...readUpTo.values()]
    const least = times.length === 0 ? undefined : times.reduce((one, other) => Math.min(one, other))
    callProgram('onProgress', failed, () =>
      onProgress({
        records,
        bytes,
        ...(totalBytes !== undefined && { totalBytes }),
        ...(least !== undefined && { readUpTo: least }),
      }),
    )
  }
  const stops = [
    listen('sluice:source:open', { run }, (opened) => {
      ;({ totalBytes } = opened)
      timer = setInterval(report, INTERVAL).unref()
    }),
    listen('sluice:run:work', { run }, ({ sources }) => {
      for (const source of sources) {
        records += source.records
        bytes += source.bytes
        if (source.readUpTo !== undefined) readUpTo.set(source.partition, source.readUpTo)
      }
    }),
    listen('sluice:run:end', { run }, () => {
      if (timer) report()
      end()
    }),
  ]
  const end = (): void => {
    clearInterval(timer)
    for (const stop of stops) stop()
  }
  return end
}

const INTERVAL = 1000

/**
 * Calls a function of the program.
 * @throws SluiceError USAGE with what it has thrown
 */
export function callBack<Arguments extends readonly unknown[], Result>(
  name: string,
  callback: ((...args: Arguments) => Result) | undefined,
  ...args: Arguments
): Result | undefined {
  try {
    return callback?.(...args)
  } catch (error) {
    throw thrownBy(name, error)
  }
}

/** @throws SluiceError USAGE if an option is given that is not a count */
export function checkCount(place: string, option: string, value: unknown): void {
  if (value === undefined || (Number.isInteger(value) && Number(value) > 0)) return
  throw new SluiceError('USAGE', `${place}: ${option} must be a whole number from 1, not ${JSON.stringify(value)}`)
}
