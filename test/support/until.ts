import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandResult } from './command-host.ts'
import type { RunningCommand } from './command.ts'

/** Resolves when a condition holds. Fails if the command has ended before, with what it said. */
export async function until(holds: () => boolean | Promise<boolean>, run?: RunningCommand): Promise<void> {
  let over: CommandResult | undefined
  void run?.ended.then((result) => (over = result))
  while (!(await holds())) {
    if (over) throw new Error(`sluice has ended with ${over.code}:\n${over.stderr}`)
    await sleep(20)
  }
}
