import { SluiceError } from '../../errors.ts'
import { plural } from '../../observe/report.ts'
import type { ShardRun } from './shard.ts'

/** The refusal of everything that would interfere with a parallel backfill. */
export function unfinishedRun(pipeline: string, { createdAt, shards }: ShardRun): SluiceError {
  const began = new Date(createdAt).toISOString()
  return new SluiceError(
    'SHARDS_UNFINISHED',
    `a backfill of ${pipeline} with ${plural(shards, 'shard')} has begun at ${began} and is unfinished`,
    {
      hint: `finish it with \`sluice runs retry ${pipeline}\`, which has its paths and options; or give it up with \`sluice runs cancel ${pipeline}\``,
    },
  )
}
