import type { Options } from 'yargs'
import { SluiceError } from '../errors.ts'
import { openLog } from '../observe/log.ts'
import type { Note } from '../observe/messages/table.ts'
import { say } from '../observe/output.ts'
import { ADDRESS_VARIABLE, hasPassword, parseAddress } from '../queue/address.ts'
import type { Connection } from '../queue/connection.ts'
import type { QueueContent } from '../queue/inspect.ts'
import type { Seal } from '../queue/seal.ts'

/** `--queue` of all commands that use one. */
export const queueOption = {
  type: 'string',
  describe: `Redis of the queue, such as redis://HOST:6379; default: the variable ${ADDRESS_VARIABLE}`,
  requiresArg: true,
} as const satisfies Options

/** The address on the command line, or in the environment; undefined without one. */
export function queueAddress(given: string | undefined): string | undefined {
  if (given !== undefined && hasPassword(given))
    say(
      `warning: --queue: a secret on the command line: other users can see it in the list of processes`,
      `  put the address into the variable ${ADDRESS_VARIABLE}, and leave --queue out`,
    )
  return given ?? (process.env[ADDRESS_VARIABLE] || undefined)
}

/** @throws SluiceError USAGE if there is no address */
export function requireQueue(given: string | undefined): string {
  const address = queueAddress(given)
  if (address !== undefined) return address
  throw new SluiceError('USAGE', 'there is no queue', {
    hint: `give its address with --queue redis://HOST:6379, or in the variable ${ADDRESS_VARIABLE}`,
  })
}

export interface OpenQueue {
  readonly connection: Connection
  readonly seal: Seal
}

/**
 * Connects to a queue.
 * @param waitsForEver True for a process that outlives every outage of Redis once it has connected.
 * @throws SluiceError USAGE, QUEUE_KEY_INVALID, or that of the connection
 */
export async function openQueue(address: string, note: Note, waitsForEver = false): Promise<OpenQueue> {
  const { Seal: Sealed } = await import('../queue/seal.ts')
  const seal = Sealed.fromEnvironment(process.env)
  const parsed = parseAddress(address)
  const { Connection: Connected } = await import('../queue/connection.ts')
  const connection = await Connected.open(parsed, { note, patience: waitsForEver ? Infinity : parsed.patience })
  return { connection, seal }
}

/** What a queue holds, see `inspectQueue`. Undefined without an address. */
export async function lookIntoQueue(address: string | undefined): Promise<QueueContent | undefined> {
  if (address === undefined) return undefined
  const { connection, seal } = await openQueue(address, (await openLog()).note)
  try {
    const { inspectQueue } = await import('../queue/inspect.ts')
    return await inspectQueue(connection, seal)
  } finally {
    await connection.close()
  }
}
