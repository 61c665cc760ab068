import { invalidResponse } from '../transport/response-error.ts'
import type { RepairOptions } from '../options.ts'
import { member, parseJson } from '../transport/json-values.ts'
import { HOUR } from '../../../time.ts'

/** Numbers of records in consecutive UTC hours. */
export interface HourlyCounts {
  /** Start of the first hour, in milliseconds since 1970. */
  readonly first: number
  readonly counts: readonly number[]
}

/**
 * The count of each hour when it was last read as a whole; 0 if unknown. A later count that differs
 * means that records were added to the hour after it was read.
 */
export interface KnownHours extends HourlyCounts {
  /** Fingerprint of the query that was counted. */
  readonly query: string
}

/** The time itself if it is a whole hour, else the next whole hour. */
export function ceilHour(time: number): number {
  return Math.ceil(time / HOUR) * HOUR
}

/** From `start` (inclusive) to `end` (exclusive), in milliseconds since 1970. */
export interface TimeRange {
  readonly start: number
  readonly end: number
}

/**
 * Parses the counts of the whole hours within a time range. An hour that is not listed has no
 * records.
 * @throws SluiceError SOURCE_UNAVAILABLE if the counts are not hourly, or lie outside of the range.
 */
export function parseHourlyCounts(
  text: string,
  names: Omit<RepairOptions, 'request'>,
  { start, end }: TimeRange,
): HourlyCounts {
  const first = ceilHour(start)
  const counts = Array.from({ length: Math.max(0, Math.floor((end - first) / HOUR)) }, () => 0)
  const buckets = listAt(parseJson(text), names.buckets)
  if (buckets === undefined) throw invalidResponse(`the response has no array at "${names.buckets}"`)
  for (const bucket of buckets) {
    const hour = timeOf(member(bucket, names.start))
    const count = member(bucket, names.count)
    if (hour === undefined || hour % HOUR !== 0)
      throw invalidResponse(`the response has a "${names.start}" that is not a whole UTC hour`)
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
      throw invalidResponse(`the response has a "${names.count}" that is not a whole number`)
    if (hour <= start - HOUR || hour > end)
      throw invalidResponse('the response counts hours outside of the requested time range')
    const at = (hour - first) / HOUR
    if (at >= 0 && at < counts.length) counts[at] = count
  }
  return { first, counts }
}

/** Adds the counts of a window that has been read, and drops hours outside of `range`. */
export function updateKnownHours(
  known: KnownHours,
  read: HourlyCounts | undefined,
  { start, end }: TimeRange,
): KnownHours {
  const first = Math.max(known.first, ceilHour(start))
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

/** The hours whose count differs from the known one. */
export function changedHours(known: HourlyCounts, counted: HourlyCounts): ChangedHour[] {
  return counted.counts
    .map((count, at) => ({ hour: counted.first + at * HOUR, count }))
    .filter(({ hour, count }) => count !== (countAt(known, hour) ?? 0))
}

function countAt({ first, counts }: HourlyCounts, hour: number): number | undefined {
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

/** `Date.parse` reads a time without a zone as local time. */
const ZONED = /T.*(Z|[+-]\d\d:?\d\d)$/
