/** What a run has done; `--report FILE` writes it as JSON. `read + added = written + duplicate + rejected + dropped`. */
export interface Report {
  readonly pipeline: string
  /** `done`: all was read and published. `interrupted`: stopped after a clean commit. `failed`: see `error`. */
  readonly outcome: 'done' | 'interrupted' | 'failed'
  readonly error?: { readonly code: string; readonly message: string }
  readonly read: number
  readonly added: number
  readonly written: number
  readonly duplicate: number
  /** Of the duplicates, those whose content differs from the record that came first. */
  readonly duplicateDiffers: number
  readonly rejected: number
  /** Rejected, by code. */
  readonly rejects: { readonly [code: string]: number }
  /** Dropped on purpose, by reason. */
  readonly dropped: { readonly [reason: string]: number }
  /** Written records that came after their time had been read: by how long after their own time they were first seen (`15m`: at most that). */
  readonly late: { readonly [delay: string]: number }
  /** Bytes read from the source as they came, and bytes of the written objects. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly epochs: number
  readonly objects: readonly PublishedObject[]
  readonly startedAt: string
  readonly seconds: number
}

interface PublishedObject {
  readonly key: string
  readonly records: number
  readonly bytes: number
  readonly sha256: string
}

/** The lines a person wants to see at the end of a run. */
export function summarize(report: Report): string {
  const dropped = Object.values(report.dropped).reduce((sum, count) => sum + count, 0)
  const late = Object.values(report.late).reduce((sum, count) => sum + count, 0)
  const rows: [string, number, string][] = [
    ['read', report.read, ''],
    ['added', report.added, 'made by transforms'],
    [
      'written',
      report.written,
      `${report.objects.length} ${report.objects.length === 1 ? 'object' : 'objects'}, ${formatBytes(report.bytesOut)}`,
    ],
    ['duplicate', report.duplicate, report.duplicateDiffers > 0 ? `${report.duplicateDiffers} with other content` : ''],
    ['late', late, listCounts(report.late)],
    ['dropped', dropped, listCounts(report.dropped)],
    ['rejected', report.rejected, listCounts(report.rejects)],
  ]
  const width = Math.max(...rows.map(([, count]) => formatCount(count).length))
  const lines = rows
    .filter(([name, count]) => count > 0 || name === 'read' || name === 'written')
    .map(([name, count, remark]) => `  ${name.padEnd(10)}${formatCount(count).padStart(width)}  ${remark}`.trimEnd())
  const rate = report.seconds > 0 ? `, ${formatCount(Math.round(report.read / report.seconds))} records/s` : ''
  return `${report.pipeline}: ${report.outcome} in ${report.seconds.toFixed(1)} s${rate}\n${lines.join('\n')}`
}

function listCounts(counts: { readonly [name: string]: number }): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${formatCount(count)}`)
    .join(', ')
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** Bytes with a decimal unit: `1.5 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
