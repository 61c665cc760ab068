import { Edit, RecordState } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { formatPath } from '../../record/paths/grammar.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { DUPLICATE_KEYS, HIT_STRIDE, ValueKind, RECORD_STRIDE } from '../../record/scan.ts'
import type { Constraint, ByteTest } from './constraints.ts'

/**
 * Returns the live records that ajv must check, in order. All other live records fulfil the schema.
 *
 * It never rejects a record, and never parses one. It compares the kinds of values in the index
 * with the constraints, and tests bytes where a constraint needs it.
 */
export type FastPath = (batch: Batch) => number[]

export function createFastPath(constraints: readonly Constraint[], paths: Paths): FastPath {
  const columns = constraints.map((constraint) =>
    toColumn(constraint, paths.add(formatPath(constraint.keys.map((key) => ({ kind: 'keys', keys: [key] }))))),
  )
  const newest = columns.reduce<Path | undefined>(
    (last, { path }) => (last && last.id > path.id ? last : path),
    undefined,
  )

  return (batch) => {
    const undecided: number[] = []
    if (batch.count === 0) return undecided
    // A query for a path that is not in the index makes the batch scan again.
    if (newest !== undefined) batch.hit(0, newest)
    const { records } = batch.index
    for (let record = 0; record < batch.count; record++) {
      if (batch.states[record] !== RecordState.live) continue
      const flags = records[record * RECORD_STRIDE + 3]
      if ((flags & DUPLICATE_KEYS) !== 0 || !isValid(batch, record, columns)) undecided.push(record)
    }
    return undecided
  }
}

interface Column {
  readonly path: Path
  readonly id: number
  /** Column of the object around the value; -1 for the record itself. */
  readonly parent: number
  readonly required: boolean
  readonly kinds: number
  readonly byteTests: readonly ByteTest[]
}

function toColumn({ required, kinds, byteTests }: Constraint, path: Path): Column {
  return { path, id: path.id, parent: path.parent?.id ?? -1, required, kinds, byteTests }
}

function isValid(batch: Batch, record: number, constraints: readonly Column[]): boolean {
  const { columns, hits, pathCount } = batch.index
  const { edits, bytes } = batch
  const row = record * pathCount
  // No iterators: this loop runs for each record.
  for (let constraint = 0; constraint < constraints.length; constraint++) {
    const { id, parent, required, kinds, byteTests } = constraints[constraint]
    const hit = columns[row + id] - 1
    if (hit < 0) {
      if (!required) continue
      if (parent < 0) return false
      const around = columns[row + parent] - 1
      if (around >= 0 && hits[around * HIT_STRIDE] >>> 16 === ValueKind.object) return false
      continue
    }
    if (edits[hit] !== Edit.keep) return false
    const at = hit * HIT_STRIDE
    const kind = 1 << (hits[at] >>> 16)
    if ((kinds & kind) === 0) return false
    for (let i = 0; i < byteTests.length; i++) {
      if ((byteTests[i].kinds & kind) !== 0 && !byteTests[i].holds(bytes, hits[at + 2], hits[at + 3])) return false
    }
  }
  return true
}
