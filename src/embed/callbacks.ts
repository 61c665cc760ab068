import { SluiceError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { hideSecrets } from '../observe/secrets.ts'
import type { RunSettings } from '../runtime/streams/wiring.ts'

/** Gets each line of the log of a run. `console.error` will do. */
export type PipelineLog = (message: string, facts: { readonly [name: string]: string | number | boolean }) => void

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

/** Called with what a callback of the program threw: the run ends with it. */
type OnThrow = (error: SluiceError) => void

/** The log of a run as a function of the program gets it: without secrets. Silent without one. */
export function logTo(log: PipelineLog | undefined, failed: OnThrow): Log {
  return {
    live: false,
    status: () => undefined,
    note: (message, facts = {}) => {
      if (log === undefined) return
      const hidden = Object.entries(facts).map(([name, value]) => [
        name,
        typeof value === 'string' ? hideSecrets(value) : value,
      ])
      call('log', failed, () => log(hideSecrets(message), Object.fromEntries(hidden)))
    },
  }
}

/** Reports progress each second, and once at the end. */
export function progressTo(onProgress: (progress: Progress) => void, failed: OnThrow): RunSettings['observe'] {
  return (flow, totalBytes) => {
    const report = (): void => {
      const times = [...flow.times.values()].map(({ readUpTo }) => readUpTo)
      const readUpTo = times.length === 0 ? undefined : times.reduce((one, other) => Math.min(one, other))
      const { records, bytes } = flow
      call('onProgress', failed, () =>
        onProgress({
          records,
          bytes,
          ...(totalBytes !== undefined && { totalBytes }),
          ...(readUpTo !== undefined && { readUpTo }),
        }),
      )
    }
    const timer = setInterval(report, INTERVAL)
    timer.unref()
    return () => {
      clearInterval(timer)
      report()
    }
  }
}

const INTERVAL = 1000

/** A throw in a timer or in the commit would end the process, or be taken for a failure of the disk. */
function call(name: string, failed: OnThrow, callback: () => unknown): void {
  try {
    const result = callback()
    // An async function: nobody else waits for it.
    if (result instanceof Promise) result.catch((error: unknown) => failed(thrownBy(name, error)))
  } catch (error) {
    failed(thrownBy(name, error))
  }
}

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

function thrownBy(name: string, error: unknown): SluiceError {
  return new SluiceError('USAGE', `${name} threw an error; see \`cause\``, { cause: error })
}

/** @throws SluiceError USAGE if an option is given that is not a count */
export function checkCount(place: string, option: string, value: unknown): void {
  if (value === undefined || (Number.isInteger(value) && Number(value) > 0)) return
  throw new SluiceError('USAGE', `${place}: ${option} must be a whole number from 1, not ${JSON.stringify(value)}`)
}
