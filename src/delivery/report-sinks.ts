import type { Report } from '../observe/report.ts'
import type { ObjectTarget } from './commit-options.ts'
import { sinkNameOf } from './state/rows.ts'
import type { ObjectRow } from './state/rows.ts'
import type { SinkObject } from './state/state-reader.ts'
import type { Tally } from './tally.ts'

/** What each sink of a pipeline has got, by its name. `waiting`: also of earlier runs. */
export function reportSinks(
  targets: readonly Pick<ObjectTarget, 'name'>[],
  tally: Tally,
  { objects, waiting }: { readonly objects: readonly SinkObject[]; readonly waiting: readonly ObjectRow[] },
): Report['sinks'] {
  const lines = targets.map(({ name }): [string, Report['sinks'][string]] => {
    const own = objects.filter(({ sink }) => sink === name)
    const rest = waiting.filter((row) => sinkNameOf(row) === name)
    const unpublished = { objects: rest.length, records: total(rest, 'records'), bytes: total(rest, 'bytes') }
    return [name, { records: tally.sinks[name] ?? 0, objects: own.length, bytes: total(own, 'bytes'), unpublished }]
  })
  return Object.fromEntries(lines)
}

function total(rows: readonly { readonly records: number; readonly bytes: number }[], what: 'records' | 'bytes') {
  return rows.reduce((sum, row) => sum + row[what], 0)
}
