import { formatBytes, formatCount, formatSpan } from '../report.ts'
import { describeTimes } from '../read-times.ts'
import { roundedDuration } from '../progress.ts'
import type { Bottleneck, SinkStatus, StageStatus, StatusSnapshot } from '../status/snapshot.ts'
import { cutStart, pad, paintLine, span, widthOf } from './line.ts'
import type { LiveLine, Span, Style } from './line.ts'
import type { ScreenLine, ScreenSize } from './screen.ts'

export interface ViewStyle {
  readonly hasColour: boolean
  /** Bars of block characters; otherwise of ASCII. */
  readonly hasBlocks: boolean
  /** Shows the last warnings. */
  readonly hasNotes: boolean
}

/**
 * Draws the status of runs, one below the other: a block for each if all fit, otherwise a line for each
 * as far as they fit.
 */
export function renderView(snapshots: readonly StatusSnapshot[], size: ScreenSize, style: ViewStyle): ScreenLine[] {
  const blocks = snapshots.map((snapshot) => block(snapshot, size.columns, style))
  const [first] = snapshots
  if (snapshots.length === 1) return paint(fit(blocks[0], size.rows), size, style)
  const whole = blocks.flatMap((sections, at) => [...(at > 0 ? [[]] : []), ...sections.flatMap(({ lines }) => lines)])
  if (first === undefined || whole.length <= size.rows) return paint(whole, size, style)
  const width = Math.max(...snapshots.map(({ pipeline }) => widthOf(pipeline)))
  const all = snapshots.map((snapshot) => summaryLine(snapshot, Math.min(width, MOST_NAME)))
  if (all.length <= size.rows) return paint(all, size, style)
  const shown = all.slice(0, Math.max(0, size.rows - 1))
  return paint([...shown, [span(`and ${all.length - shown.length} more`, 'dim')]], size, style)
}

const MOST_NAME = 30

/** Lines that stand together. Where there are too few rows, those with the highest number go first. */
interface Section {
  readonly priority: number
  readonly lines: readonly LiveLine[]
}

function fit(sections: readonly Section[], rows: number): LiveLine[] {
  const kept = new Set(sections)
  const count = (): number => [...kept].reduce((sum, { lines }) => sum + lines.length, 0)
  for (const section of sections.toSorted((a, b) => b.priority - a.priority)) if (count() > rows) kept.delete(section)
  const lines = sections.filter((section) => kept.has(section)).flatMap((section) => section.lines)
  return (lines.length > 0 ? lines : sections.flatMap((section) => section.lines)).slice(0, Math.max(1, rows))
}

function paint(lines: readonly LiveLine[], { columns }: ScreenSize, { hasColour }: ViewStyle): ScreenLine[] {
  return lines.map((line) => ({
    text: paintLine(line, columns, hasColour),
    width: Math.min(
      columns,
      line.reduce((sum, { text }) => sum + widthOf(text), 0),
    ),
  }))
}

function block(snapshot: StatusSnapshot, columns: number, style: ViewStyle): Section[] {
  const sections: Section[] = [
    { priority: 0, lines: [head(snapshot)] },
    { priority: 1, lines: wrap(progress(snapshot), columns) },
    ...(snapshot.shards ? shardSections(snapshot, columns, style) : stageSections(snapshot, columns, style)),
    { priority: 2, lines: wrapLabelled('records', ledger(snapshot), columns) },
    { priority: 4, lines: freshness(snapshot) },
    { priority: 5, lines: dedup(snapshot) },
    { priority: 5, lines: snapshot.sinks.filter(isOfInterest).slice(0, MOST_SINKS).map(outboxLine) },
    {
      priority: 7,
      lines: snapshot.objects.slice(0, MOST_OBJECTS).map((object, at) => {
        const since = age(object.at, snapshot.takenAt)
        const facts = `${formatBytes(object.bytes).padStart(8)}  ${since.padStart(6)} ago  `
        const room = Math.max(10, columns - LABEL - facts.length)
        return [label(at === 0 ? 'objects' : ''), span(facts, 'dim'), span(cutStart(object.key, room))]
      }),
    },
    {
      priority: 6,
      lines: style.hasNotes
        ? snapshot.notes
            .slice(0, MOST_NOTES)
            .map(({ at, message }, number) => [
              label(number === 0 ? 'warnings' : ''),
              span(`${new Date(at).toISOString().slice(11, 19)}  `, 'dim'),
              span(message, 'yellow'),
            ])
        : [],
    },
  ]
  return sections.filter(({ lines }) => lines.length > 0)
}

const MOST_SINKS = 4
const MOST_OBJECTS = 2
const MOST_NOTES = 3
/** Columns of the names at the start of lines. */
const LABEL = 10

function label(text: string): Span {
  return span(pad(text, LABEL - 1) + ' ', 'dim')
}

function head({ pipeline, state, outcome, takenAt, startedAt, commits }: StatusSnapshot): LiveLine {
  const parts = [formatSpan(takenAt - startedAt), `commits ${formatCount(commits.count)}`]
  if (commits.lastAt !== undefined) parts.push(`last ${age(commits.lastAt, takenAt)} ago`)
  return [span(pipeline, 'bold'), span('  '), stateOf(state, outcome), span(`  ${parts.join('  ')}`, 'dim')]
}

function stateOf(state: StatusSnapshot['state'], outcome: StatusSnapshot['outcome']): Span {
  if (outcome !== undefined) return span(outcome, outcome === 'failed' ? 'red' : 'green')
  const style: Style = state === 'waiting' || state === 'stopping' ? 'yellow' : 'green'
  return span(state === 'waiting' ? 'waiting for the outbox' : state, style)
}

/** Records, rates and what is left, as far as they are known. */
function progress({ read, shards, takenAt, ledger: { read: committed } }: StatusSnapshot): Span[] {
  if (shards) {
    const { bytes, doneBytes, partialBytes, bytesPerSecond, secondsLeft } = shards
    return [
      span(`${formatCount(committed)} records committed`),
      span(`${megabytes(bytesPerSecond)} MB/s`),
      ...share(doneBytes + partialBytes, bytes, secondsLeft),
    ]
  }
  return [
    span(`${formatCount(read.records)} records`),
    span(`${rate(read.recordsPerSecond)} records/s`),
    span(`${megabytes(read.bytesPerSecond)} MB/s`),
    ...(read.totalBytes === undefined ? [] : share(read.bytes, read.totalBytes, read.secondsLeft)),
    ...times(read, takenAt),
  ]
}

/** How far a source of event times is. */
function times({ fromAt, readUpToAt, share: part }: StatusSnapshot['read'], now: number): Span[] {
  if (fromAt === undefined || readUpToAt === undefined || part === undefined) return []
  return [span(describeTimes({ fromAt, readUpToAt, share: part }, now))]
}

function share(done: number, total: number, secondsLeft: number | undefined): Span[] {
  const percent = Math.min(100, Math.floor((100 * done) / Math.max(1, total)))
  return [
    span(`${percent} % of ${formatBytes(total)}`),
    ...(secondsLeft === undefined || percent === 100 ? [] : [span(`${roundedDuration(secondsLeft)} left`)]),
  ]
}

function stageSections(snapshot: StatusSnapshot, columns: number, style: ViewStyle): Section[] {
  const { stages, bottleneck } = snapshot
  const width = Math.min(MOST_STAGE_NAME, Math.max(LABEL - 1, ...stages.map(({ stage }) => widthOf(stage))))
  const slowest = stages.find(({ stage }) => stage === bottleneck?.stage)
  const rows = stages.map((stage) => ({
    priority: stage === slowest ? 3 : stage.kind === 'transform' ? 9 : 8,
    lines: [stageLine(stage, { width, columns, style, ...(stage === slowest && { bottleneck }) })],
  }))
  return rows.length > MOST_STAGES ? rows.filter(({ priority }) => priority < 9) : rows
}

const MOST_STAGE_NAME = 20
/** With more, only the slowest one is shown beside the source and the delivery. */
const MOST_STAGES = 24

interface StageColumns {
  readonly width: number
  readonly columns: number
  readonly style: ViewStyle
  readonly bottleneck?: Bottleneck | undefined
}

/** Name, records per second, bytes per second, share of the time; narrow terminals get fewer of them. */
function stageLine(stage: StageStatus, { width, columns, style, bottleneck }: StageColumns): LiveLine {
  const percent = `${String(Math.round(stage.share * 100)).padStart(3)} %`
  const hasBar = columns >= width + 45
  const hasBytes = columns >= width + 31
  const bytes = stage.bytesPerSecond > 0 ? `${megabytes(stage.bytesPerSecond)} MB/s` : ''
  return [
    span(`${pad(stage.stage, width)} `, bottleneck ? 'bold' : 'dim'),
    span(`${rate(stage.recordsPerSecond).padStart(9)}/s`),
    ...(hasBytes ? [span(bytes.padStart(13))] : []),
    span(`  ${percent} `),
    ...(hasBar ? bar(stage.share, style) : []),
    ...(bottleneck ? [span(` ${REASONS[bottleneck.reason]}`, 'yellow')] : []),
  ]
}

const REASONS: { readonly [reason in Bottleneck['reason']]: string } = {
  work: 'bottleneck',
  network: 'waits for the network',
  'rate-limit': 'waits for its rate limit',
  retry: 'waits to try again',
  outbox: 'outbox is full',
  input: 'waits for input',
}

function bar(part: number, { hasBlocks }: ViewStyle): Span[] {
  const full = Math.round(part * BAR)
  const [on, off] = hasBlocks ? ['█', '░'] : ['#', '.']
  return [span(on.repeat(full), 'cyan'), span(off.repeat(BAR - full), 'dim')]
}

const BAR = 10

function shardSections({ shards }: StatusSnapshot, columns: number, style: ViewStyle): Section[] {
  if (shards === undefined) return []
  const { done, executing, waiting, failed, executions } = shards
  const parts = [
    span(`${formatCount(done)} of ${formatCount(shards.shards)} done`),
    span(`${executing} executing`),
    ...(waiting > 0 ? [span(`${waiting} waiting`)] : []),
    ...(failed > 0 ? [span(`${failed} failed`, 'red')] : []),
  ]
  const total = shards.bytes === 0 ? 0 : (shards.doneBytes + shards.partialBytes) / shards.bytes
  const shown = executions.toSorted((a, b) => a.shard - b.shard).slice(0, MOST_EXECUTIONS)
  return [
    { priority: 3, lines: wrapLabelled('shards', parts, columns) },
    ...(columns >= 60 ? [{ priority: 8, lines: [[label(''), ...wideBar(total, columns - LABEL, style)]] }] : []),
    ...shown.map(({ shard, worker, records, bytes }) => ({
      priority: 9,
      lines: [
        [
          label(''),
          span(`shard ${String(shard).padStart(String(shards.shards).length)}`),
          span(`  worker ${worker}  `, 'dim'),
          span(`${formatCount(records)} records  ${formatBytes(bytes)}`),
        ],
      ],
    })),
  ]
}

const MOST_EXECUTIONS = 8

function wideBar(part: number, width: number, { hasBlocks }: ViewStyle): Span[] {
  const columns = Math.min(50, width)
  const full = Math.round(Math.min(1, part) * columns)
  const [on, off] = hasBlocks ? ['█', '░'] : ['#', '.']
  return [span(on.repeat(full), 'cyan'), span(off.repeat(columns - full), 'dim')]
}

/** Committed in this run; what is 0 is left out, except what was read and written. */
function ledger({ ledger: counts, rejects }: StatusSnapshot): Span[] {
  const codes = Object.entries(rejects)
  const [most] = codes
  const why = most === undefined ? '' : ` (${most[0]}${codes.length > 1 ? ' and others' : ''})`
  const parts: [string, number, Style?][] = [
    ['read', counts.read],
    ['added', counts.added],
    ['written', counts.written],
    ['duplicate', counts.duplicate],
    ['dropped', counts.dropped],
    ['rejected', counts.rejected, 'yellow'],
  ]
  return parts
    .filter(([name, count]) => count > 0 || name === 'read' || name === 'written')
    .map(([name, count, style]) => span(`${name} ${formatCount(count)}${name === 'rejected' ? why : ''}`, style))
}

function freshness({ freshness: { partitions, behind } }: StatusSnapshot): LiveLine[] {
  return behind.slice(0, MOST_BEHIND).map(({ partition, seconds }, at) => {
    const others = at === 0 && partitions > 1 ? `  of ${formatCount(partitions)} partitions` : ''
    return [
      label(at === 0 ? 'behind' : ''),
      span(formatSpan(seconds * 1000).padEnd(8), seconds > LONG_BEHIND ? 'yellow' : undefined),
      span(partition),
      span(others, 'dim'),
    ]
  })
}

const MOST_BEHIND = 2
/** Seconds. More than any usual delay of an API and its windows. */
const LONG_BEHIND = 3600

/** Only where the budget is near: at it, the run stops. */
function dedup({ dedup: index }: StatusSnapshot): LiveLine[] {
  if (index === undefined || index.bytes < NEAR_BUDGET * index.maxBytes) return []
  const text = `${formatCount(index.keys)} keys, ${formatBytes(index.bytes)} of ${formatBytes(index.maxBytes)}`
  return [[label('dedup'), span(text, 'yellow')]]
}

const NEAR_BUDGET = 0.8

/** A sink that has nothing to do with objects, as stdout, has nothing to show here. */
function isOfInterest({ objects, published, waiting, isFull, retries }: SinkStatus): boolean {
  return objects > 0 || published.objects > 0 || waiting.objects > 0 || isFull || retries > 0
}

function outboxLine({ sink, waiting, published, isFull, maxBytes, retries, code }: SinkStatus, at: number): LiveLine {
  const budget = maxBytes === undefined ? '' : ` of ${formatBytes(maxBytes)}`
  return [
    label(at === 0 ? 'outbox' : ''),
    ...(sink === 'sink' ? [] : [span(`${sink}  `, 'bold')]),
    span(`${formatCount(waiting.objects)} waiting, ${formatBytes(waiting.bytes)}${budget}`, isFull ? 'red' : undefined),
    ...(retries > 0 ? [span(`  ${code ?? ''} ${retries} times`, 'yellow')] : []),
    span(`  ${formatCount(published.objects)} published, ${formatBytes(published.bytes)}`, 'dim'),
  ]
}

/** A whole run in one line. */
function summaryLine(snapshot: StatusSnapshot, width: number): LiveLine {
  const { pipeline, state, outcome, ledger: counts, freshness: fresh } = snapshot
  const [worst] = fresh.behind
  const [records, ...others] = progress(snapshot)
  return [
    span(`${pad(pipeline, width)}  `, 'bold'),
    stateOf(state === 'waiting' ? 'stopping' : state, outcome),
    span('  '),
    ...(worst === undefined ? [] : [span(`behind ${formatSpan(worst.seconds * 1000)}  `)]),
    ...(counts.rejected > 0 ? [span(`rejected ${formatCount(counts.rejected)}  `, 'yellow')] : []),
    ...[records, ...others].flatMap((part) => [part, span('  ')]),
  ]
}

/** Parts beside each other, on as many lines as they need. */
function wrap(parts: readonly Span[], columns: number, indent: readonly Span[] = []): LiveLine[] {
  const room = columns - indent.reduce((sum, { text }) => sum + widthOf(text), 0)
  const lines: Span[][] = []
  let used = 0
  for (const part of parts) {
    const wide = widthOf(part.text)
    const line = lines.at(-1)
    if (line !== undefined && used + 2 + wide <= room) {
      line.push(span('  '), part)
      used += 2 + wide
    } else {
      lines.push([part])
      used = wide
    }
  }
  return lines.map((line) => [...indent, ...line])
}

function wrapLabelled(name: string, parts: readonly Span[], columns: number): LiveLine[] {
  return wrap(parts, columns, [label('')]).map((line, at) => (at === 0 ? [label(name), ...line.slice(1)] : line))
}

/** Three digits that count: more would not stand still. */
function rate(perSecond: number): string {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, perSecond))) - 2)
  return formatCount(Math.round(perSecond / step) * step)
}

function megabytes(bytesPerSecond: number): string {
  return (bytesPerSecond / 1e6).toFixed(1)
}

function age(at: number, now: number): string {
  return formatSpan(Math.max(0, now - at))
}
