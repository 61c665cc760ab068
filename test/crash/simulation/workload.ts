import type { Source } from '../../../src/component.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import { SluiceError } from '../../../src/errors.ts'
import type { JsonObject } from '../../../src/record/json/json.ts'
import type { Process } from './process.ts'

/** What there is to read, how it is read, and what must come of it. */
export interface Workload {
  readonly name: string
  readonly partitions: ReadonlyMap<string, readonly Page[]>
  /** Pages before its position that each start reads again. */
  readonly overlap: number
  /** Without it nothing may come twice: each chunk has a position. */
  readonly dedup: boolean
  readonly compression: 'none' | 'gzip'
  /** Stages split each batch in two. */
  readonly split: boolean
  /** In the first life the source fails at this request. */
  readonly failsAt?: number
  /** Read to its end undisturbed: what is told is how its rejects are replayed. */
  readonly mends?: true
  readonly expected: Expected
}

/** A page comes in chunks; the last one has the position. */
export interface Page {
  readonly chunks: readonly Buffer[]
  /** The oldest event time that can come behind it. */
  readonly lowWatermark: number
}

export interface Expected {
  /** Ids of the records that must be written, each once. */
  readonly written: readonly string[]
  /** Ids of those that are refused; a line that does not parse stands for itself. */
  readonly rejected: readonly string[]
  /** Ids of those that are kept in the end, where some were replayed. */
  readonly kept?: readonly string[]
}

export const DAY = 86_400_000
export const START = Date.UTC(2024, 2, 4)
const KINDS = ['login', 'admin', 'noise', 'login', 'bad']

/** Claims are forgotten by progress while it runs: a page is a day, and each start reads one again. */
export const WITHIN = 2 * DAY

/** Two partitions of days, with copies over page borders, records to drop and to refuse, and lines that are none. */
export const pages: Workload = expecting({
  name: 'pages of two partitions that overlap',
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

/** The same, and no page is read again unless something has crashed. */
export const pagesApart: Workload = { ...pages, name: 'pages of two partitions', overlap: 0 }

/** A source that yields each record once, as files do; stages split its batches. */
export const lines: Workload = expecting({
  name: 'lines that come once, in batches that are split',
  partitions: new Map([['a', linesOf('a', 14)]]),
  overlap: 0,
  dedup: false,
  compression: 'none',
  split: true,
  failsAt: 8,
})

/** Reads from the committed positions on, the partitions in turn. */
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
          if (++requests === failsAt) throw new SluiceError('SOURCE_UNAVAILABLE', 'the source is away')
          yield* chunksOf(reader.partition, page, ++reader.page)
        }
      }
    },
  }
}

/** Adds what must come of it. */
export function expecting(workload: Omit<Workload, 'expected'>): Workload {
  return { ...workload, expected: expectedOf(workload) }
}

function expectedOf({ partitions }: Omit<Workload, 'expected'>): Expected {
  const written = new Set<string>()
  const rejected = new Set<string>()
  for (const line of [...partitions.values()].flat().flatMap(({ chunks }) => chunks.flatMap(textLines))) {
    const { id, kind } = line.startsWith('broken') ? { id: line, kind: 'bad' } : readEvent(line)
    if (kind === 'bad') rejected.add(id)
    else if (kind !== 'noise') written.add(id)
  }
  return { written: [...written].toSorted(), rejected: [...rejected].toSorted() }
}

function readEvent(line: string): { id: string; kind: string } {
  return JSON.parse(line)
}

function* chunksOf(partition: string, { chunks, lowWatermark }: Page, position: number): Generator<Chunk> {
  for (const [i, bytes] of chunks.entries()) {
    const isLast = i === chunks.length - 1
    yield { partition, bytes, origin: { name: `page ${position}`, line: 1 }, ...(isLast && { position, lowWatermark }) }
  }
}

function daysOf(partition: string, days: number): Page[] {
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
    timestamp: new Date(START + day * DAY + (from + i) * 3_600_000).toISOString(),
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
