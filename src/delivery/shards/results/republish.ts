import { SluiceError } from '../../../errors.ts'
import { plural } from '../../../observe/report.ts'
import { outboxFolder } from '../../open-epoch.ts'
import type { ObjectRow } from '../../state/rows.ts'
import { digestIn } from './leave-out-files.ts'
import type { ShardCommitParts } from '../shard-commit-parts.ts'
import type { ShardResult, StagedObject } from '../shard.ts'

/** Follows the staged objects of committed shards until they are published. Those that are gone are made again. */
export class Republisher {
  readonly #parts: ShardCommitParts

  constructor(parts: ShardCommitParts) {
    this.#parts = parts
  }

  /** The store has removed what was staged for an object: its shard is executed once more. */
  gone(row: ObjectRow): void {
    const { state, queue, options, shards } = this.#parts
    const { shard } = row
    const stored = shard === undefined ? undefined : state.shard(shard)
    if (shard === undefined || stored?.status !== 'done')
      return queue.fail(cannotMakeAgain([row], 'its shard is not known'))
    const live = shards.of(shard)
    live.list = stored.leaveOut
    live.gone.push(row)
    if (live.gone.length === 1) options.observe?.({ kind: 'again', shard, reason: 'gone' })
    shards.executeAgain(shard)
  }

  /** A committed shard whose staged objects are gone was executed once more. */
  async republish(result: ShardResult): Promise<'committed' | 'discarded'> {
    const { state, files, options, committer, shards } = this.#parts
    const row = state.shard(result.shard)
    const live = shards.of(result.shard)
    const leftOut = row?.leaveOut && digestIn(row.leaveOut.file)
    const gone = live.gone.splice(0)
    if (gone.length === 0 || result.leftOut !== leftOut) {
      live.gone.push(...gone)
      if (gone.length > 0) shards.executeAgain(result.shard)
      await options.discard(result)
      return 'discarded'
    }
    const { rows, unneeded } = replaceGone(gone, result)
    if (rows.some(({ file }) => file !== undefined)) await files.fsyncFolder(outboxFolder(options.folder))
    await state.replaceStaged(rows)
    for (const replaced of rows) committer.publisher.replace(replaced)
    if (unneeded.length > 0) await options.discard({ ...result, objects: unneeded })
    options.observe?.({ kind: 'committed', shard: result.shard, result: { ...result, objects: [] } })
    return 'committed'
  }

  /** An object is published. When all of a shard are, its list is not needed any more. */
  retired({ shard }: ObjectRow): void {
    const { state, queue, lists, plans, shards } = this.#parts
    if (shard === undefined || plans.current?.published(shard) !== true) return
    shards.delete(shard)
    const list = state.shard(shard)?.leaveOut
    if (list) void queue.run(() => lists.remove(list.file)).catch(() => undefined)
  }
}

/** The rows of staged objects that are gone, with the bytes that a new execution has made. */
interface Replaced {
  readonly rows: readonly ObjectRow[]
  /** Objects of the new execution that are not needed: theirs are not gone. */
  readonly unneeded: readonly StagedObject[]
}

/** @throws SluiceError OUTBOX_LOST if the execution has not made the same objects */
function replaceGone(gone: readonly ObjectRow[], { objects }: ShardResult): Replaced {
  const rows: ObjectRow[] = []
  const lost: ObjectRow[] = []
  const used = new Set<StagedObject>()
  for (const { file: _file, staged: _staged, resumeToken: _token, ...row } of gone) {
    const made = objects.find(({ key, sha256 }) => key === row.key && sha256 === row.sha256)
    if (!made) {
      lost.push(row)
      continue
    }
    used.add(made)
    const { file, staged } = made
    rows.push({ ...row, ...(file === undefined ? { staged: staged ?? null } : { file }) })
  }
  if (lost.length > 0) throw cannotMakeAgain(lost, 'a new execution of their shard makes other ones')
  return { rows, unneeded: objects.filter((object) => !used.has(object)) }
}

/** The error for committed objects whose bytes exist nowhere. */
export function cannotMakeAgain(rows: readonly ObjectRow[], reason: string): SluiceError {
  const records = rows.reduce((sum, row) => sum + row.records, 0)
  return new SluiceError(
    'OUTBOX_LOST',
    `the store has removed the staged bytes of ${plural(rows.length, 'committed object')} with ${plural(records, 'record')}, for example ${rows[0]?.key}, and they cannot be made again: ${reason}`,
    {
      hint: 'restore the inputs, the transforms and the version of Sluice as they were when the backfill began, and start it again',
    },
  )
}
