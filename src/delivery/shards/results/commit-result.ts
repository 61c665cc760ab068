import { SluiceError } from '../../../errors.ts'
import type { Json } from '../../../record/json/json.ts'
import type { CommitParts, Committer } from '../../committer.ts'
import { checkSinks, checkTally } from '../../ledger.ts'
import { outboxOptions } from '../../open-epoch.ts'
import { namesOf, OutboxEpoch } from '../../outbox/outbox.ts'
import { REJECTS } from '../../state/rows.ts'
import type { LeaveOutFile, ObjectRow, PartitionRow } from '../../state/rows.ts'
import { wordsOf } from '../day-keys.ts'
import { linesWithIds } from '../shard-rejects.ts'
import type { ShardResult, ShardRun } from '../shard.ts'

interface ResultCommit {
  readonly run: ShardRun
  readonly result: ShardResult
  /** Positions of source partitions that the shard completes. */
  readonly partitions: readonly PartitionRow[]
  /** See `StateReader.shardEnds`. */
  readonly ends: readonly (Json | null)[]
  /** Of the keys that the result has left out. */
  readonly list: LeaveOutFile | undefined
}

/**
 * Commits the result of a shard as one epoch. None of its keys is in the index.
 * @throws SluiceError LEDGER_MISMATCH if the result contradicts itself
 */
export async function commitResult(
  parts: CommitParts,
  committer: Committer,
  { run, result, partitions, ends, list }: ResultCommit,
): Promise<void> {
  checkResult(result)
  const number = parts.state.nextEpoch
  parts.options.events?.publish('sluice:epoch:open', { epoch: number, shard: result.shard })
  if (result.objects.length > 0) await committer.connection.check()
  const copies = await writeRejects(parts, { run, result, number })
  for (const { day, entries } of result.keys) {
    const added = await parts.index?.addAll(wordsOf(entries), day)
    if (added !== entries.length / 16) throw mismatch(result, 'a dedup key of it exists')
  }
  const objects = result.objects.map((object) => ({
    ...object,
    ...(object.file === undefined && { shard: result.shard }),
  }))
  const isStaged = objects.some(({ file }) => file === undefined)
  await committer.commit({
    number,
    objects: [...objects, ...copies],
    partitions,
    oldest: -Infinity,
    tally: result.tally,
    shard: { run: run.id, number: result.shard, ends, ...(isStaged && list && { leaveOut: list }) },
  })
}

function checkResult(result: ShardResult): void {
  const { tally, objects } = result
  checkTally(tally)
  checkSinks(tally, objects)
}

function mismatch({ shard }: ShardResult, reason: string): SluiceError {
  return new SluiceError(
    'LEDGER_MISMATCH',
    `the result of shard ${shard} contradicts itself: ${reason}; nothing of it is committed`,
  )
}

/** Writes the rejects to the local dead-letter queue. Returns the objects with copies for a `rejects` sink. */
async function writeRejects(
  { options, files, state, localRejects, targets }: CommitParts,
  { run, result, number }: { readonly run: ShardRun; readonly result: ShardResult; readonly number: number },
): Promise<Omit<ObjectRow, 'epoch'>[]> {
  if (result.rejects.length === 0) return []
  const target = targets.find(({ name }) => name === REJECTS)
  const fallback = target?.key.fallback(run.createdAt) ?? ''
  const { rejectKeys = [{ key: fallback, lines: result.tally.rejected }] } = result
  const outbox = outboxOptions({ ...options, files, targets: target ? [target] : [], generation: state.generation })
  const copies = new OutboxEpoch(outbox, namesOf(number, result.objects.length), run.createdAt)
  try {
    const lines = linesWithIds(result.rejects, number)
    for (const { key, lines: count } of rejectKeys) {
      for (let left = count; left > 0; left--) {
        const { value: line } = lines.next()
        if (!line) throw mismatch(result, `it has fewer than ${result.tally.rejected} rejects`)
        await localRejects.append(number, line)
        if (target) await copies.appendRejects(key, line, 1)
      }
    }
    if (lines.next().done !== true) throw mismatch(result, `it has more than ${result.tally.rejected} rejects`)
    return await copies.finish()
  } catch (error) {
    await copies.abandon()
    throw error
  }
}
