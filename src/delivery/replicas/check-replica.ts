import { SluiceError } from '../../errors.ts'
import type { Meta, ReplicaRow } from '../state/rows.ts'
import { ALONE, nameOf, sendersTo } from './replica.ts'
import type { Replica } from './replica.ts'
import { SHARD_KEY } from './shard-key.ts'
import type { ShardKey } from './shard-key.ts'

/** The replica that a process says it is, with what all replicas have in common. */
export interface RunningReplica extends Replica {
  /** Required for more than one replica. */
  readonly key?: ShardKey | undefined
}

/**
 * Makes sure that a tenant is never collected twice: the state belongs to the replica that runs, and
 * nothing is missing that other replicas have collected. Without a replica, the process collects
 * nothing of its own accord (an archive is read into the state), and may do so in every state that
 * was not given away.
 * @throws SluiceError STATE_MISMATCH, STATE_MOVED, IMPORT_MISSING, USAGE
 */
export function checkReplica(
  { pipeline, hashKey, replica: stored = ALONE, importing, exported }: Meta,
  running: RunningReplica | undefined,
  { isImport = false }: { readonly isImport?: boolean | undefined } = {},
): void {
  if (exported) throw givenAway(pipeline, exported.at)
  if (importing !== undefined && !isImport) throw interrupted(pipeline)
  if (stored.number > stored.count) return checkRetired(stored, running, { pipeline, isImport })
  if (running && (running.number !== stored.number || running.count !== stored.count))
    throw otherReplica(stored, running, pipeline)
  if (stored.awaits?.length && !isImport) throw importMissing(stored, pipeline)
  if (running && running.count > 1 && !requireKey(running).hashKey.equals(Buffer.from(hashKey, 'hex'))) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `the state of ${nameOf(stored)} was created with another ${SHARD_KEY} than the one that is set`,
      { hint: 'set the one with which it was created: dedup keys can only be compared with the same one' },
    )
  }
}

/** A replica that was removed has no tenants. It may take some again. */
function checkRetired(
  stored: ReplicaRow,
  running: RunningReplica | undefined,
  options: { readonly pipeline: string; readonly isImport: boolean },
): void {
  const isLater = running?.key?.was === stored.count || running?.count !== stored.was
  if (running?.number !== stored.number || !isLater) throw retired(stored, options.pipeline)
  if (!newReplicaRow(running, options)?.awaits?.length) throw retired(stored, options.pipeline)
}

/** The row of a new state. @throws SluiceError USAGE, IMPORT_MISSING unless it is created for an import */
export function newReplicaRow(
  running: RunningReplica,
  { pipeline, isImport }: { readonly pipeline: string; readonly isImport: boolean },
): ReplicaRow | undefined {
  if (running.count === 1 && running.key === undefined) return undefined
  const { was } = requireKey(running)
  const { number, count } = running
  const row: ReplicaRow = { number, count, ...(was > 0 && { was, awaits: sendersTo(running, was) }) }
  if (row.awaits?.length && !isImport) throw importMissing(row, pipeline)
  return row
}

/** @throws SluiceError USAGE if there is none, or if it is that of another count */
function requireKey(running: RunningReplica): ShardKey {
  const { key, count } = running
  if (key === undefined) {
    throw new SluiceError('USAGE', `${nameOf(running)} needs ${SHARD_KEY}, the same for all replicas`, {
      hint: `for new replicas make one with \`sluice new shard-key ${count}\`; to divide a state that exists, start with \`sluice state export <pipeline> <file> --count ${count}\`, which prints it`,
    })
  }
  if (key.count === count) return key
  throw new SluiceError(
    'STATE_MISMATCH',
    `${SHARD_KEY} is that of ${replicas(key.count)}, and this is ${nameOf(running)}`,
    {
      hint: `run ${replicas(key.count)}; or move the tenants: stop all replicas and run \`sluice state export <pipeline> <file> --count ${count}\` in each`,
    },
  )
}

function otherReplica(stored: ReplicaRow, running: Replica, pipeline: string): SluiceError {
  const owner = stored.count === 1 ? 'a process that collects all tenants' : nameOf(stored)
  const now = running.count === 1 ? 'one that was started without --shard' : nameOf(running)
  const asStored = stored.count === 1 ? 'without --shard' : `with --shard ${stored.number}/${stored.count}`
  const hint =
    stored.count === running.count
      ? `run it ${asStored}, or give this replica a --state of its own`
      : `run it ${asStored}; or, to have ${replicas(running.count)}, stop all, and run \`sluice state export ${pipeline} <file> --count ${running.count}\` in each`
  return new SluiceError('STATE_MISMATCH', `the state belongs to ${owner}, not to ${now}`, { hint })
}

function retired({ number, count, was }: ReplicaRow, pipeline: string): SluiceError {
  return new SluiceError(
    'STATE_MOVED',
    `the tenants of replica ${number}/${was ?? number} were moved to ${replicas(count)}: this one has nothing to collect`,
    {
      hint: `stop it; the others need its export (\`sluice state export ${pipeline} <file> --count ${count}\` writes it again)`,
    },
  )
}

export function givenAway(pipeline: string, at: number): SluiceError {
  return new SluiceError(
    'STATE_MOVED',
    `this state was exported at ${new Date(at).toISOString()} to be used elsewhere`,
    {
      hint: `import the export into another --state (\`sluice state export ${pipeline} <file>\` writes it again)`,
    },
  )
}

export function importMissing(row: ReplicaRow, pipeline: string): SluiceError {
  const { number, count, was = 0, awaits = [] } = row
  const senders = awaits.map((sender) => `${sender}/${was}`).join(', ')
  return new SluiceError(
    'IMPORT_MISSING',
    `${nameOf(row)} must not collect before it has the tenants that were collected by replica ${senders}`,
    {
      hint: `import their exports: \`sluice state import ${pipeline} <file...> --shard ${number}/${count}\`; if one is lost, \`--without ${awaits.join(' ')}\` starts its tenants from the beginning`,
    },
  )
}

/** The import of a whole state has begun, and did not end. */
export function interrupted(pipeline: string): SluiceError {
  return new SluiceError('IMPORT_MISSING', 'an import into this state was interrupted: nothing in it can be used yet', {
    hint: `give the same \`sluice state import ${pipeline} <file>\` again`,
  })
}

function replicas(count: number): string {
  return count === 1 ? '1 replica' : `${count} replicas`
}
