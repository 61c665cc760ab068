import { SluiceError } from '../../errors.ts'
import { plural } from '../../observe/report.ts'
import type { ShardRun } from './shard.ts'

/**
 * The refusal of everything that would interfere with a parallel backfill.
 * @param others what another backfill has in place of the options of this one
 */
export function unfinishedRun(
  pipeline: string,
  { createdAt, shards }: ShardRun,
  others: readonly string[] = [],
): SluiceError {
  const began = new Date(createdAt).toISOString()
  const differs = others.length === 0 ? '' : `; this command has ${others.join(', ')}`
  return new SluiceError(
    'SHARDS_UNFINISHED',
    `a backfill of ${pipeline} with ${plural(shards, 'shard')} has begun at ${began} and is unfinished${differs}`,
    {
      hint: `finish it with \`sluice runs retry ${pipeline}\`, which has its paths and options; or give it up with \`sluice runs cancel ${pipeline}\``,
    },
  )
}

/** Where it is only known that they differ. */
export const OTHER_SELECTION = ['other paths or options']
