import { SluiceError } from '../../errors.ts'
import { plural } from '../../observe/report.ts'
import type { ObjectRow } from '../state/rows.ts'
import type { ShardResult, StagedObject } from './shard.ts'

/** The rows of staged objects that are gone, with the bytes that a new execution has made. */
export interface Replaced {
  readonly rows: readonly ObjectRow[]
  /** Objects of the new execution that are not needed: theirs are not gone. */
  readonly unneeded: readonly StagedObject[]
}

/** @throws SluiceError OUTBOX_LOST if the execution has not made the same objects */
export function replaceGone(gone: readonly ObjectRow[], { objects }: ShardResult): Replaced {
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
