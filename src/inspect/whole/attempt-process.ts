import type { AttemptOptions, AttemptProgress, AttemptResult } from './attempt.ts'
import { runAttempt } from './attempt.ts'
import { loadForTest } from './load-test.ts'
import type { TestPlace } from './load-test.ts'
import { foldersIn } from './stand-ins.ts'

/*
 * The process of an attempt that is killed. `run-test.ts` starts it, because only a process takes with
 * it what custom code keeps in memory, and what a run has not written to the disk.
 */

/** What the process gets. */
export interface AttemptOrder extends TestPlace, Pick<AttemptOptions, 'startAt' | 'served' | 'halt'> {
  readonly folder: string
}

/** What the process says before it dies, or ends. */
export type AttemptMessage =
  | { readonly kind: 'halted'; readonly progress: AttemptProgress }
  | { readonly kind: 'ended'; readonly result: Omit<AttemptResult, 'lines'> }
  | { readonly kind: 'failed'; readonly message: string; readonly hint?: string | undefined }

// Nobody waits for the result any more.
process.once('disconnect', () => process.exit())
process.once('message', (order: AttemptOrder) => void run(order))

async function run({ folder, ...order }: AttemptOrder): Promise<void> {
  try {
    const pipeline = await loadForTest(order)
    const { lines: _lines, ...result } = await runAttempt({
      ...order,
      pipeline,
      folders: foldersIn(folder),
      halted: async (progress) => {
        await send({ kind: 'halted', progress })
        process.kill(process.pid, 'SIGKILL')
        // The signal arrives in its own time.
        await new Promise(() => {})
      },
    })
    await send({ kind: 'ended', result })
  } catch (error) {
    const { message, hint }: { message: string; hint?: string } =
      error instanceof Error ? error : new Error(String(error))
    await send({ kind: 'failed', message, hint })
  }
  process.disconnect()
}

async function send(message: AttemptMessage): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (process.send === undefined) throw new Error('this file is started by run-test.ts')
    process.send(message, (error: Error | null) => (error ? reject(error) : resolve()))
  })
}
