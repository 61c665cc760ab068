import { DAY, HOUR, MINUTE, SECOND } from '../time.ts'

/** See `Report.outcome`. */
export const OUTCOMES = ['done', 'interrupted', 'closed', 'incomplete', 'failed'] as const

/**
 * The result of a run. `--report FILE` writes it as JSON.
 * `read + added = written + duplicate + rejected + dropped`.
 */
export interface Report {
  readonly pipeline: string
  /**
   * `done`: everything was read and published. `interrupted`: stopped by a signal after a clean
   * commit. `closed`: the receiver of a stream sink wanted no more, as `head` does. `incomplete`:
   * everything was read and published, except parts of the inputs in `damaged`. `failed`: see
   * `error`.
   */
  readonly outcome: (typeof OUTCOMES)[number]
  readonly error?: { readonly code: string; readonly message: string; readonly causes?: readonly string[] }
  /** Inputs that could not be read, or not to their end. Absent if there were none. */
  readonly damaged?: readonly DamagedInput[]
  readonly read: number
  /** Records created by transforms. */
  readonly added: number
  readonly written: number
  readonly duplicate: number
  /** Duplicates whose content differs from that of the first record with their key. */
  readonly duplicateDiffers: number
  readonly rejected: number
  /** Rejected records by code. */
  readonly rejects: { readonly [code: string]: number }
  /** Records dropped on purpose, by reason. */
  readonly dropped: { readonly [reason: string]: number }
  /**
   * Written records that arrived after their time had already been read. Counted by how long after
   * their own time they were first seen (`15m`: at most 15 minutes).
   */
  readonly late: { readonly [delay: string]: number }
  /** Inputs that end within a record, which is left for the next run. */
  readonly unfinished: number
  /** Bytes read from the source, before decompression. */
  readonly bytesIn: number
  /** Bytes of the written objects, after compression. */
  readonly bytesOut: number
  /** Rules of transforms, and how many values each has matched in this run. */
  readonly rules: readonly {
    readonly stage: string
    readonly rule: string
    readonly matches: number
    /** The rule searches texts: finding nothing is no sign of a mistake. */
    readonly searches?: true
  }[]
  /** What transforms have counted in this run: for example how many records a `lookup` has found. */
  readonly counts: readonly StageCounts[]
  readonly epochs: number
  /** Of a backfill with several workers; absent otherwise. */
  readonly shards?: ShardsReport
  readonly objects: readonly CommittedObject[]
  /** What each sink got, by its name: `sink` for that of a pipeline file with `sink`. Without `rejects`. */
  readonly sinks: { readonly [name: string]: SinkReport }
  /** All committed objects in the outbox at the end of the run, also of earlier runs and of `rejects`. */
  readonly unpublished: Unpublished
  readonly startedAt: string
  readonly seconds: number
}

export interface StageCounts {
  readonly stage: string
  readonly counts: { readonly [name: string]: number }
}

interface ShardsReport {
  /** Of the plan, which may be older than this run. */
  readonly planned: number
  /** Committed by this run. The counts of records are of these. */
  readonly committed: number
  /** Neither committed nor failed: the run ended before. */
  readonly left: number
  /** The same command tries them again, and no others. */
  readonly failed: readonly FailedShard[]
}

export interface FailedShard {
  readonly shard: number
  /** Names of its inputs, at most ten. */
  readonly inputs: readonly string[]
  readonly code: string
  readonly message: string
  /** The way out. */
  readonly hint?: string
}

interface SinkReport {
  /** A record that several sinks got counts for each of them. */
  readonly records: number
  readonly objects: number
  /** Of the objects, after compression. */
  readonly bytes: number
  /** Committed objects in the outbox at the end of the run, also of earlier runs. */
  readonly unpublished: Unpublished
}

interface Unpublished {
  readonly objects: number
  readonly records: number
  readonly bytes: number
}

interface CommittedObject {
  readonly key: string
  /** Name of its sink. */
  readonly sink: string
  readonly records: number
  readonly bytes: number
  readonly sha256: string
  /** False while the object waits in the outbox. */
  readonly published: boolean
}

export interface DamagedInput {
  readonly input: string
  /** Number of lines (or elements) before the damage. They were read, in this run or an earlier one. */
  readonly line?: number
  readonly code: string
  readonly message: string
  /** The way out. */
  readonly hint?: string
}

/** The summary shown at the end of a run. */
export function summarize(report: Report): string {
  const dropped = sumOf(report.dropped)
  const late = sumOf(report.late)
  const rows: [string, number, string][] = [
    ['read', report.read, ''],
    ['added', report.added, 'created by transforms'],
    ['written', report.written, describeOutput(report)],
    ...sinkRows(report),
    ['waiting', report.unpublished.records, describeWaiting(report)],
    [
      'duplicate',
      report.duplicate,
      report.duplicateDiffers > 0 ? `${formatCount(report.duplicateDiffers)} with different content` : '',
    ],
    ['late', late, listCounts(report.late)],
    ['dropped', dropped, listCounts(report.dropped)],
    ['rejected', report.rejected, listCounts(report.rejects)],
    ['left', report.unfinished, 'unfinished records at the ends of inputs, for the next run'],
    ['shards', report.shards?.committed ?? 0, describeShards(report.shards)],
  ]
  const width = Math.max(...rows.map(([, count]) => formatCount(count).length))
  const nameWidth = Math.max(10, ...rows.map(([name]) => name.length + 1))
  const lines = rows
    .filter(([name, count]) => count > 0 || name === 'read' || name === 'written' || name.startsWith('to '))
    .map(([name, count, remark]) =>
      `  ${name.padEnd(nameWidth)}${formatCount(count).padStart(width)}  ${remark}`.trimEnd(),
    )
  const rate = report.seconds > 0 ? `, ${formatCount(Math.round(report.read / report.seconds))} records/s` : ''
  const counted = report.counts.flatMap(({ stage, counts }) => listStageCounts(stage, counts))
  const tables = [...counted, ...listDamaged(report.damaged ?? []), ...listFailed(report.shards?.failed ?? [])]
  return `${report.pipeline}: ${report.outcome} in ${report.seconds.toFixed(1)} s${rate}\n${[...lines, ...tables].join('\n')}`
}

/** A row for each sink with a name. */
function sinkRows({ sinks }: Report): [string, number, string][] {
  const names = Object.keys(sinks).filter((name) => name !== 'sink' || Object.keys(sinks).length > 1)
  return names.map((name) => {
    const { records, objects, bytes, unpublished } = sinks[name]
    const waiting = unpublished.objects > 0 ? `, ${plural(unpublished.objects, 'object')} not published` : ''
    return [`to ${name}`, records, `records in ${plural(objects, 'object')}, ${formatBytes(bytes)}${waiting}`]
  })
}

function describeShards(shards: ShardsReport | undefined): string {
  if (shards === undefined) return ''
  const { planned, left, failed } = shards
  const parts = [`committed, of ${formatCount(planned)}`]
  if (failed.length > 0) parts.push(`${formatCount(failed.length)} failed`)
  if (left > 0) parts.push(`${formatCount(left)} left`)
  return parts.join(', ')
}

/** `  lookup    found 1,204, not found 12`; nothing if all are 0. */
function listStageCounts(stage: string, counts: StageCounts['counts']): string[] {
  const present = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  return Object.keys(present).length === 0 ? [] : [`  ${stage.padEnd(9)} ${listCounts(present)}`]
}

interface RejectFacts {
  readonly rejected: number
  readonly written: number
  /** In words: how many, by code. */
  readonly counts: string
  readonly outcome: string
  /** Commands that show why. */
  readonly see: string
}

/** A warning if (nearly) everything was rejected: the input is probably not what is expected. */
export function describeRejects(report: Report): RejectFacts | undefined {
  const { pipeline, read, added, rejected, written, rejects, epochs } = report
  if (rejected === 0 || rejected < NEARLY_ALL * (read + added)) return undefined
  const outcome = written === 0 ? 'nothing was written' : `only ${formatCount(written)} written`
  const show = epochs > 0 ? `\`sluice rejects show ${pipeline}\` and ` : ''
  const counts = `${formatCount(rejected)} of ${plural(read + added, 'record')} rejected (${listCounts(rejects)})`
  return { rejected, written, counts, outcome, see: `${show}\`sluice preview ${pipeline} FILE\`` }
}

const NEARLY_ALL = 0.9

/** A table of damaged inputs: name, place, reason. */
export function listDamaged(damaged: readonly DamagedInput[]): string[] {
  if (damaged.length === 0) return []
  const shown = damaged.slice(0, LISTED_INPUTS)
  const rows = shown.map(({ input, line, code, message, hint }) => {
    const where = line === undefined || line === 0 ? 'nothing read' : `read to line ${formatCount(line)}`
    const why = message.replace(`"${input}" `, '').replace(/^is damaged: (as \S+ )?/, '')
    return [input, where, `${code}: ${why}${hint === undefined ? '' : ` (${hint})`}`] as const
  })
  return table(`  damaged   ${plural(damaged.length, 'input')}`, rows, damaged.length)
}

/** A table of failed shards: number, inputs, reason. */
function listFailed(failed: readonly FailedShard[]): string[] {
  if (failed.length === 0) return []
  const rows = failed.slice(0, LISTED_INPUTS).map(({ shard, inputs, code, message, hint }) => {
    const [first = '', ...more] = inputs
    const where = more.length === 0 ? first : `${first} and others`
    return [`shard ${shard}`, where, `${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`] as const
  })
  return table(`  failed    ${plural(failed.length, 'shard')}`, rows, failed.length)
}

function table(title: string, rows: readonly (readonly [string, string, string])[], count: number): string[] {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length)))
  const rest = count - rows.length
  return [
    title,
    ...rows.map(([name, where, why]) => `    ${name.padEnd(widths[0])}  ${where.padEnd(widths[1])}  ${why}`),
    ...(rest > 0 ? [`    and ${formatCount(rest)} more: --report lists all`] : []),
  ]
}

const LISTED_INPUTS = 100

/** Says how many of the objects are only committed. A stream sink has no objects. */
function describeOutput({ objects, bytesOut }: Report): string {
  const bytes = formatBytes(bytesOut)
  if (objects.length === 0 && bytesOut > 0) return bytes
  const published = objects.filter((object) => object.published).length
  if (published === objects.length) return `${plural(objects.length, 'object')}, ${bytes}`
  return `records committed, ${formatCount(published)} of ${plural(objects.length, 'object')} published, ${bytes}`
}

function describeWaiting({ unpublished: { objects, bytes } }: Report): string {
  return `records in ${plural(objects, 'object')} in the outbox, not published, ${formatBytes(bytes)}`
}

function sumOf(counts: { readonly [name: string]: number }): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function listCounts(counts: { readonly [name: string]: number }): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${formatCount(count)}`)
    .join(', ')
}

/** A count with thousands separators: `1,234`. */
export function formatCount(count: number): string {
  // toLocaleString would load the data of all locales, 4 ms for each command.
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A count with its noun: `1 object`, `1,234 objects`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** A duration in its largest unit, rounded: `90 d`, `3 h`, `8 min`, `20 s`. */
export function formatSpan(milliseconds: number): string {
  if (milliseconds >= 2 * DAY) return `${Math.round(milliseconds / DAY)} d`
  if (milliseconds >= 2 * HOUR) return `${Math.round(milliseconds / HOUR)} h`
  if (milliseconds >= 2 * MINUTE) return `${Math.round(milliseconds / MINUTE)} min`
  return `${Math.max(0, Math.round(milliseconds / SECOND))} s`
}

/** Bytes with a decimal unit, for example `1.5 MB`. */
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
