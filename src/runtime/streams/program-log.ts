import { SluiceError } from '../../errors.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import { listenLines } from '../../observe/log-lines.ts'

/**
 * Gets each line of the log of a run that is at least of the level `info`. `console.error` will do.
 * `line.code` is the message in docs/log.md.
 */
export type PipelineLog = (
  message: string,
  facts: { readonly [name: string]: string | number | boolean },
  line: PipelineLogLine,
) => void

export interface PipelineLogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  /** Stays the same when the text changes: `object.retry`. */
  readonly code: string
  /** The stage that the line is about, if it is about one. */
  readonly stage?: string | undefined
  readonly pipeline: string
  readonly run: string
}

/** Called with what a callback of the program threw: the run ends with it. */
export type OnThrow = (error: SluiceError) => void

/** Gives the lines of the log of a run to a function of the program. Returns a function that ends it. */
export function logTo(log: PipelineLog, events: RunEvents, failed: OnThrow): () => void {
  return listenLines(events, 'info', ({ level, code, stage, message, facts }, { pipeline, run }) =>
    callProgram('log', failed, () => log(message, facts, { level, code, stage, pipeline, run })),
  )
}

/** A throw in a timer or in the commit would end the process, or be taken for a failure of the disk. */
export function callProgram(name: string, failed: OnThrow, callback: () => unknown): void {
  try {
    const result = callback()
    // An async function: nobody else waits for it.
    if (result instanceof Promise) result.catch((error: unknown) => failed(thrownBy(name, error)))
  } catch (error) {
    failed(thrownBy(name, error))
  }
}

/** The failure of a run by a callback of the program. */
export function thrownBy(name: string, error: unknown): SluiceError {
  return new SluiceError('USAGE', `${name} threw an error; see \`cause\``, { cause: error })
}
