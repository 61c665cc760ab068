import { ALONE, nameOf } from '../delivery/replicas/replica.ts'
import type { Replica } from '../delivery/replicas/replica.ts'
import { hasState, readState } from '../delivery/state/state-reader.ts'
import { SluiceError } from '../errors.ts'
import { replicaOf } from './shard.ts'

/**
 * A backfill reads all records of its input: it does not know their tenants. In the state of one of
 * several replicas, those of other tenants would be written again, because other states have their
 * dedup keys. So `--shard` has to say that the input has records of the replica's tenants only.
 * @param folder of the pipeline's state
 * @throws SluiceError STATE_MISMATCH, USAGE
 */
export async function checkBackfilled(pipeline: string, folder: string, shard: string | undefined): Promise<void> {
  const given = shard === undefined ? undefined : replicaOf(shard)
  if (!hasState(folder)) {
    const replica = given ?? replicaOf(undefined)
    if (replica !== undefined && replica.count > 1) throw notStarted(pipeline, replica, folder)
    return
  }
  const owner: Replica = (await readState(folder, ({ meta }) => meta?.replica)) ?? ALONE
  if (given !== undefined && (given.number !== owner.number || given.count !== owner.count)) {
    throw new SluiceError('STATE_MISMATCH', `the state belongs to ${ownerName(owner)}, not to ${nameOf(given)}`, {
      hint: owner.count > 1 ? `give its --state, or --shard ${text(owner)}` : 'leave --shard out, or give its --state',
    })
  }
  if (given !== undefined || owner.count <= 1) return
  throw new SluiceError(
    'STATE_MISMATCH',
    `the state belongs to ${nameOf(owner)}, and a backfill reads the records of all tenants in its input: those of other replicas would be written again`,
    { hint: `give paths that have records of its tenants only, and say so with --shard ${text(owner)}` },
  )
}

function notStarted(pipeline: string, replica: Replica, folder: string): SluiceError {
  return new SluiceError('USAGE', `${nameOf(replica)} has no state in ${folder}`, {
    hint: `start it first with \`sluice run ${pipeline} --shard ${text(replica)}\`: a backfill would create the state of a process that collects all tenants`,
  })
}

function ownerName(owner: Replica): string {
  return owner.count === 1 ? 'a process that collects all tenants' : nameOf(owner)
}

function text({ number, count }: Replica): string {
  return `${number}/${count}`
}
