import type { Source } from '../../../../src/component.ts'
import type { Chunk } from '../../../../src/record/chunk.ts'
import { SluiceError } from '../../../../src/errors.ts'
import type { JsonObject } from '../../../../src/record/json/json.ts'
import type { Process } from './process.ts'
import { DAY, HOUR } from '../../../../src/time.ts'

/** The input of a simulation, how it is read, and the expected outcome. */
export interface Workload {
  readonly name: string
  readonly partitions: ReadonlyMap<string, readonly Page[]>
  /** Number of pages before the position that each start reads again. */
  readonly overlap: number
  /** False: the source never repeats a record, so each chunk has a position. */
  readonly dedup: boolean
  readonly compression: 'none' | 'gzip'
  /** A stage splits each batch into two chunks. */
  readonly split: boolean
  /** In the first run, the source fails at this request. */
  readonly failsAt?: number
  /**
   * A run commits objects for a wrong S3 bucket first, without a crash. Then each process redirects
   * them and reads on.
   */
  readonly redirects?: true
  /** The source is read without a crash first; the crashes hit the replay of its rejects. */
  readonly replaysRejects?: true
  /** The source has no low watermarks, so that no dedup key expires. */
  readonly neverExpires?: true
  /** Two sinks, and routes by the kind of an event, see `sinksOf`. */
  readonly routed?: true
  /** A parallel backfill reads the partitions, see `shard-run.ts`. */
  readonly shards?: ShardPlan
  readonly expected: Expected
}

export interface ShardPlan {
  /** Where objects wait: in the outbox, or staged at the store, as from other machines. */
  readonly stagedAt: 'outbox' | 'store'
  /** Numbers of pages of the parts of each shard. */
  readonly shards: readonly (readonly PagePart[])[]
  /** What an ordinary run has read before. Its keys do not expire. */
  readonly before?: ReadonlyMap<string, readonly Page[]>
  /** The input of this source partition is damaged after it was read once. */
  readonly damaged?: string
}

/** Pages of a partition from a number to another, exclusive. */
export interface PagePart {
  readonly partition: string
  readonly from: number
  readonly to: number
}

/** A page has several chunks; the last one has the position. */
export interface Page {
  readonly chunks: readonly Buffer[]
  /** The oldest event time of later pages. */
  readonly lowWatermark: number
}

interface Expected {
  /** Ids of the records that must be written, each exactly once. */
  readonly written: readonly string[]
  /** The same by sink, with routes. */
  readonly sinks?: { readonly [sink: string]: readonly string[] }
  /** Ids of the rejected records; a line that does not parse is its own id. */
  readonly rejected: readonly string[]
  /** Ids of the remaining local rejects, if some were replayed. */
  readonly localRejects?: readonly string[]
}

export const START = Date.UTC(2024, 2, 4)
const KINDS = ['login', 'admin', 'noise', 'login', 'bad']

/**
 * Short enough that keys expire during a run: a page is a day, and each start reads one page again.
 */
export const WITHIN = 2 * DAY

/**
 * Two source partitions of days, with duplicates across pages, records to drop and to reject, and
 * broken lines.
 */
export const pages: Workload = expecting({
  name: 'overlapping pages of two source partitions',
  partitions: new Map([
    ['a', daysOf('a', 6)],
    ['b', daysOf('b', 5)],
  ]),
  overlap: 1,
  dedup: true,
  compression: 'none',
  split: false,
  failsAt: 8,
})

/** The same, but a page is read again only after a crash. */
export const pagesApart: Workload = { ...pages, name: 'pages of two source partitions', overlap: 0 }

/** The same with two sinks, each of which gets some of the records, and some of them both. */
export const routed: Workload = expecting({ ...pages, name: 'pages that are routed to two sinks', routed: true })

/** The sinks of a routed workload that get the events of a kind. */
export function sinksOf(kind: string): readonly string[] {
  if (kind === 'login') return ['siem']
  return kind === 'admin' ? ['siem', 'archive'] : ['archive']
}

/** Objects wait for a wrong S3 bucket, and are redirected. */
export const redirected: Workload = { ...pages, name: 'objects redirected to another S3 bucket', redirects: true }

/** A source that yields each record once, as files do; a stage splits its batches. */
export const lines: Workload = expecting({
  name: 'lines without repeats, in split batches',
  partitions: new Map([['a', linesOf('a', 14)]]),
  overlap: 0,
  dedup: false,
  compression: 'none',
  split: true,
  failsAt: 8,
})

/** Reads the source partitions in turn, from their committed positions. */
export function sourceOf(workload: Workload, process: Process, failsAt = Infinity): Source {
  return {
    async *read(options) {
      const readers = [...workload.partitions].map(([partition, all]) => {
        const committed = Number(options.position(partition) ?? 0)
        return { partition, all, page: Math.max(0, committed - workload.overlap) }
      })
      let requests = 0
      for (let isMore = true; isMore;) {
        isMore = false
        for (const reader of readers) {
          const page = reader.all.at(reader.page)
          if (!page) continue
          isMore = true
          await process.act('request', () => undefined)
          if (++requests === failsAt) throw new SluiceError('SOURCE_UNAVAILABLE', 'the source is unavailable')
          const chunks = chunksOf(reader.partition, page, ++reader.page)
          for (const { lowWatermark, ...chunk } of chunks)
            yield { ...chunk, ...(!workload.neverExpires && lowWatermark !== undefined && { lowWatermark }) }
        }
      }
    },
  }
}

/** Adds the expected outcome. */
export function expecting(workload: Omit<Workload, 'expected'>): Workload {
  return { ...workload, expected: expectedOf(workload) }
}

function expectedOf({ partitions, routed: isRouted }: Omit<Workload, 'expected'>): Expected {
  const written = new Set<string>()
  const sinks = { siem: new Set<string>(), archive: new Set<string>() }
  const rejected = new Set<string>()
  for (const line of [...partitions.values()].flat().flatMap(({ chunks }) => chunks.flatMap(textLines))) {
    const { id, kind } = line.startsWith('broken') ? { id: line, kind: 'bad' } : readEvent(line)
    if (kind === 'bad') rejected.add(id)
    else if (kind !== 'noise') {
      written.add(id)
      for (const [name, ids] of Object.entries(sinks)) if (sinksOf(kind).includes(name)) ids.add(id)
    }
  }
  const bySink = { siem: [...sinks.siem].toSorted(), archive: [...sinks.archive].toSorted() }
  return {
    written: [...written].toSorted(),
    ...(isRouted && { sinks: bySink }),
    rejected: [...rejected].toSorted(),
  }
}

function readEvent(line: string): { id: string; kind: string } {
  return JSON.parse(line)
}

export function* chunksOf(partition: string, { chunks, lowWatermark }: Page, position: number): Generator<Chunk> {
  for (const [i, bytes] of chunks.entries()) {
    const isLast = i === chunks.length - 1
    yield { partition, bytes, origin: { name: `page ${position}`, line: 1 }, ...(isLast && { position, lowWatermark }) }
  }
}

export function daysOf(partition: string, days: number): Page[] {
  return Array.from({ length: days }, (_, day) => {
    const own = eventsOf(partition, day, 0, 7)
    const late = day === 0 ? [] : eventsOf(partition, day - 1, 5, 7)
    const odd = { id: `${partition} no time ${day}`, timestamp: 'soon', kind: 'odd' }
    return {
      chunks: [
        toLines([...late, ...own.slice(0, 4)]),
        Buffer.concat([toLines([...own.slice(3), odd]), broken(partition, day)]),
      ],
      lowWatermark: START + (day - 1) * DAY,
    }
  })
}

function linesOf(partition: string, count: number): Page[] {
  return Array.from({ length: count }, (_, day) => ({
    chunks: [Buffer.concat([toLines(eventsOf(partition, day, 0, 6)), broken(partition, day)])],
    lowWatermark: START,
  }))
}

function eventsOf(partition: string, day: number, from: number, to: number): JsonObject[] {
  return Array.from({ length: to - from }, (_, i) => ({
    id: `${partition}-${day}-${from + i}`,
    timestamp: new Date(START + day * DAY + (from + i) * HOUR).toISOString(),
    kind: KINDS[(day + from + i) % KINDS.length],
  }))
}

function broken(partition: string, day: number): Buffer {
  return Buffer.from(`broken ${partition} ${day}\n`)
}

function toLines(events: readonly JsonObject[]): Buffer {
  return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
}

function textLines(bytes: Buffer): string[] {
  return bytes.toString().split('\n').filter(Boolean)
}
