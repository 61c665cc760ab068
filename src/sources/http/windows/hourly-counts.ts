import { badAnswer } from '../transport/response-error.ts'
import type { RepairOptions } from '../options.ts'
import { member, parseJson } from '../transport/json-values.ts'
import { HOUR } from '../../../time.ts'

/** Numbers of records of hours that follow each other. Hours are those of UTC. */
export interface Hours {
  /** Beginning of the first one, in milliseconds since 1970. */
  readonly first: number
  readonly counts: readonly number[]
}

/**
 * What the API counted in each hour before it was last read as a whole; 0 where that is not known. What appears in such an hour later makes the
 * API count more.
 */
export interface KnownHours extends Hours {
  /** Fingerprint of the query that was counted. */
  readonly query: string
}

export function wholeHour(time: number): number {
  return Math.ceil(time / HOUR) * HOUR
}

/** A time: from `start` to before `end`, in milliseconds since 1970. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * The counts in an answer of the hours that lie within a time as a whole; an hour that is not listed has no records.
 * @throws SluiceError SOURCE_UNAVAILABLE when they are not counts per hour, or not those of that time.
 */
export function readHours(text: string, names: Omit<RepairOptions, 'request'>, { start, end }: Span): Hours {
  const first = wholeHour(start)
  const counts = Array.from({ length: Math.max(0, Math.floor((end - first) / HOUR)) }, () => 0)
  const buckets = listAt(parseJson(text), names.buckets)
  if (buckets === undefined) throw badAnswer(`the answer has no array at "${names.buckets}"`)
  for (const bucket of buckets) {
    const hour = timeOf(member(bucket, names.start))
    const count = member(bucket, names.count)
    if (hour === undefined || hour % HOUR !== 0)
      throw badAnswer(`the answer has a "${names.start}" that is not a whole hour of UTC`)
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
      throw badAnswer(`the answer has a "${names.count}" that is not a whole number`)
    if (hour <= start - HOUR || hour > end) throw badAnswer('the answer counts other hours than those it was asked for')
    const at = (hour - first) / HOUR
    if (at >= 0 && at < counts.length) counts[at] = count
  }
  return { first, counts }
}

/** The known hours when those of a window have been read. Kept are the whole ones between two times. */
export function learn(known: KnownHours, read: Hours | undefined, { start, end }: Span): KnownHours {
  const first = Math.max(known.first, wholeHour(start))
  const length = Math.max(0, Math.floor((end - first) / HOUR))
  const counts = Array.from({ length }, (_, at) => {
    const hour = first + at * HOUR
    return (read && countAt(read, hour)) ?? countAt(known, hour) ?? 0
  })
  return { query: known.query, first, counts }
}

export interface ChangedHour {
  readonly hour: number
  readonly count: number
}

/** The hours in which the API counts another number than is known. */
export function changedHours(known: Hours, counted: Hours): ChangedHour[] {
  return counted.counts
    .map((count, at) => ({ hour: counted.first + at * HOUR, count }))
    .filter(({ hour, count }) => count !== (countAt(known, hour) ?? 0))
}

function countAt({ first, counts }: Hours, hour: number): number | undefined {
  return counts[(hour - first) / HOUR]
}

function listAt(value: unknown, path: string): readonly unknown[] | undefined {
  const list = path === '$' ? value : path.split('.').reduce<unknown>((inner, key) => member(inner, key), value)
  return Array.isArray(list) ? list : undefined
}

function timeOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  const time = typeof value === 'string' && ZONED.test(value) ? Date.parse(value) : NaN
  return Number.isNaN(time) ? undefined : time
}

/** A time without a zone would be one of ours. */
const ZONED = /T.*(Z|[+-]\d\d:?\d\d)$/
