import { SluiceError } from '../../errors.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import { listen } from '../../observe/bus/subscribe.ts'

/** Gets each line of the log of a run. `console.error` will do. */
export type PipelineLog = (message: string, facts: { readonly [name: string]: string | number | boolean }) => void

/** Called with what a callback of the program threw: the run ends with it. */
export type OnThrow = (error: SluiceError) => void

/** Gives the lines of the log of a run to a function of the program. Returns a function that ends it. */
export function logTo(log: PipelineLog, { run }: RunEvents, failed: OnThrow): () => void {
  return listen('sluice:run:note', { run }, ({ message, facts }) =>
    callProgram('log', failed, () => log(message, facts)),
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
