import { Edit, RecordState } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { formatPath } from '../../record/paths/grammar.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { DUPLICATE_KEYS, HIT_STRIDE, Kind, RECORD_STRIDE } from '../../record/scan.ts'
import type { Fact, Look } from './facts.ts'

/** The numbers of the live records that the facts do not prove, in order. A record that is not among them fulfils the schema. */
export type Prover = (batch: Batch) => number[]

export function createProver(facts: readonly Fact[], paths: Paths): Prover {
  const columns = facts.map((fact) =>
    toColumn(fact, paths.add(formatPath(fact.keys.map((key) => ({ kind: 'keys', keys: [key] }))))),
  )
  const newest = columns.reduce<Path | undefined>(
    (last, { path }) => (last && last.id > path.id ? last : path),
    undefined,
  )

  return (batch) => {
    const doubtful: number[] = []
    if (batch.count === 0) return doubtful
    // Asking for a path that the index does not have makes the batch scan again.
    if (newest !== undefined) batch.hit(0, newest)
    const { records } = batch.index
    for (let record = 0; record < batch.count; record++) {
      if (batch.states[record] !== RecordState.live) continue
      const flags = records[record * RECORD_STRIDE + 3]
      if ((flags & DUPLICATE_KEYS) !== 0 || !isProven(batch, record, columns)) doubtful.push(record)
    }
    return doubtful
  }
}

interface Column {
  readonly path: Path
  readonly id: number
  /** Column of the object around it; -1 for the record itself. */
  readonly parent: number
  readonly required: boolean
  readonly kinds: number
  readonly looks: readonly Look[]
}

function toColumn({ required, kinds, looks }: Fact, path: Path): Column {
  return { path, id: path.id, parent: path.parent?.id ?? -1, required, kinds, looks }
}

function isProven(batch: Batch, record: number, facts: readonly Column[]): boolean {
  const { columns, hits, pathCount } = batch.index
  const { edits, bytes } = batch
  const row = record * pathCount
  // No iterators: this is done for each record.
  for (let fact = 0; fact < facts.length; fact++) {
    const { id, parent, required, kinds, looks } = facts[fact]
    const hit = columns[row + id] - 1
    if (hit < 0) {
      if (!required) continue
      if (parent < 0) return false
      const around = columns[row + parent] - 1
      if (around >= 0 && hits[around * HIT_STRIDE] >>> 16 === Kind.object) return false
      continue
    }
    if (edits[hit] !== Edit.keep) return false
    const at = hit * HIT_STRIDE
    const kind = 1 << (hits[at] >>> 16)
    if ((kinds & kind) === 0) return false
    for (let i = 0; i < looks.length; i++) {
      if ((looks[i].kinds & kind) !== 0 && !looks[i].holds(bytes, hits[at + 2], hits[at + 3])) return false
    }
  }
  return true
}
