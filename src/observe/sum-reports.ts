import { addCounts, addRules, addStageCounts } from './add-counts.ts'
import type { Report } from './report.ts'

/**
 * The report of a process that has run a pipeline several times, one after another: `sluice reload` ends
 * a run and begins the next. Counts are added; what describes the end is that of the last run.
 */
export function sumReports(first: Report, last: Report): Report {
  const add = (name: Amount): number => first[name] + last[name]
  const damaged = [...(first.damaged ?? []), ...(last.damaged ?? [])]
  return {
    ...last,
    ...(damaged.length > 0 && { damaged }),
    read: add('read'),
    added: add('added'),
    written: add('written'),
    duplicate: add('duplicate'),
    duplicateDiffers: add('duplicateDiffers'),
    rejected: add('rejected'),
    rejects: addCounts(first.rejects, last.rejects),
    dropped: addCounts(first.dropped, last.dropped),
    late: addCounts(first.late, last.late),
    bytesIn: add('bytesIn'),
    bytesOut: add('bytesOut'),
    epochs: add('epochs'),
    rules: addRules(first.rules, last.rules),
    counts: addStageCounts(first.counts, last.counts),
    objects: [...first.objects.map((object) => ({ ...object, published: isPublished(object, last) })), ...last.objects],
    sinks: addSinks(first.sinks, last.sinks),
    startedAt: first.startedAt,
    seconds: add('seconds'),
  }
}

type Amount =
  | 'read'
  | 'added'
  | 'written'
  | 'duplicate'
  | 'duplicateDiffers'
  | 'rejected'
  | 'bytesIn'
  | 'bytesOut'
  | 'epochs'
  | 'seconds'

function addSinks(first: Report['sinks'], last: Report['sinks']): Report['sinks'] {
  const sums = new Map(Object.entries(first))
  for (const [name, { records, objects, bytes, unpublished }] of Object.entries(last)) {
    const before = sums.get(name) ?? { records: 0, objects: 0, bytes: 0 }
    sums.set(name, {
      records: before.records + records,
      objects: before.objects + objects,
      bytes: before.bytes + bytes,
      unpublished,
    })
  }
  return Object.fromEntries(sums)
}

/** An object that waited at the end of the first run was published by the last one if nothing waits. */
function isPublished({ published }: Report['objects'][number], last: Report): boolean {
  return published || last.unpublished.objects === 0
}
