import type { Batch } from '../../record/batch.ts'
import { writeJson } from '../../record/json/json-text.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import type { Put } from '../../record/put-members.ts'
import { defaultLimits } from '../../record/scan.ts'
import type { MemberConfig } from './member.ts'
import type { Table } from './table.ts'

/** The members that records get from rows. */
export interface Targets {
  /** For a record that is not found. */
  readonly defaults: readonly Put[]
  ofRow(row: number, table: Table): readonly Put[]
  /** Leaves out members that the record has, and that are set only if they are absent. */
  missingIn(batch: Batch, record: number, puts: readonly Put[]): readonly Put[]
  /** The rows belong to another table now. */
  forget(): void
}

export function compileTargets(set: readonly MemberConfig[], paths: Paths): Targets {
  const members = set.map(({ path, default: value }) => ({
    path: paths.add(path),
    json: value === undefined ? undefined : writeJson(value, defaultLimits.maxDepth),
  }))
  const optional = new Set<Path>(set.flatMap(({ ifAbsent }, at) => (ifAbsent ? [members[at].path] : [])))
  /** Records of a log name the same few rows again and again. */
  const remembered = new Map<number, readonly Put[]>()
  return {
    defaults: members.flatMap(({ path, json }) => (json === undefined ? [] : [{ path, json }])),
    ofRow(row, table) {
      const known = remembered.get(row)
      if (known !== undefined) return known
      const values = table.valuesOf(row)
      const puts = members.flatMap(({ path, json }, at) => {
        const value = values[at] ?? json
        return value === undefined ? [] : [{ path, json: value }]
      })
      if (remembered.size === MAX_REMEMBERED) remembered.clear()
      remembered.set(row, puts)
      return puts
    },
    missingIn: (batch, record, puts) =>
      optional.size === 0 ? puts : puts.filter(({ path }) => !optional.has(path) || batch.hit(record, path) < 0),
    forget: () => remembered.clear(),
  }
}

/** Rows, of some hundred bytes each. */
const MAX_REMEMBERED = 4096
