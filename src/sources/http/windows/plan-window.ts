import { parseDuration } from '../../../fields/units.ts'
import { SluiceError } from '../../../errors.ts'
import type { Json, JsonObject } from '../../../record/json/json.ts'
import type { Hours, KnownHours } from './hourly-counts.ts'
import type { WindowOptions } from '../options.ts'
import { isObject } from '../../../record/json/json.ts'

/**
 * How far a tenant has been read: everything before the high watermark, and what of the open windows. Times are milliseconds since 1970;
 * a source without windows has no high watermark.
 */
export interface Checkpoint {
  readonly highWatermark?: number | undefined
  /** The time of the API at the latest sweep. */
  readonly swept?: number | undefined
  /** The time of the API at the latest comparison of its counts per hour, at first that of the first window. */
  readonly repaired?: number | undefined
  readonly known?: KnownHours | undefined
  readonly open: readonly OpenWindow[]
}

/** A query that is being paged through. What belongs to it stays as it is until its last page. */
export interface OpenWindow {
  readonly start?: number | undefined
  readonly end?: number | undefined
  /** The server's time less the lag when the first page came: the high watermark does not move beyond. */
  readonly asOf?: number | undefined
  /** Fingerprint of the query that the cursor belongs to. */
  readonly query: string
  /** JSON text, as it came. */
  readonly cursor?: string | undefined
  /** Pages and records that are done. */
  readonly pages: number
  readonly records: number
  /** The window is a sweep. */
  readonly sweep?: boolean | undefined
  /** How many records the API says that it has. */
  readonly counted?: number | undefined
  /** It had fewer records than that, and is read once more. */
  readonly again?: boolean | undefined
  /** What the API counted in the hours of the window before it was read. */
  readonly hours?: Hours | undefined
}

/** As a position: times in RFC 3339, for people to read. */
export function writeCheckpoint({ highWatermark, swept, repaired, known, open }: Checkpoint): Json {
  return {
    ...(highWatermark === undefined ? {} : { highWatermark: iso(highWatermark) }),
    ...(swept === undefined ? {} : { swept: iso(swept) }),
    ...(repaired === undefined ? {} : { repaired: iso(repaired) }),
    ...(known === undefined ? {} : { known: { query: known.query, ...writeHours(known) } }),
    open: open.map(({ start, end, asOf, query, cursor, pages, records, sweep, counted, again, hours }) => ({
      ...(start === undefined || end === undefined ? {} : { start: iso(start), end: iso(end) }),
      ...(asOf === undefined ? {} : { asOf: iso(asOf) }),
      query,
      ...(cursor === undefined ? {} : { cursor }),
      pages,
      records,
      ...(sweep === true ? { sweep } : {}),
      ...(counted === undefined ? {} : { counted }),
      ...(again === true ? { again } : {}),
      ...(hours === undefined ? {} : { hours: writeHours(hours) }),
    })),
  }
}

function writeHours({ first, counts }: Hours): JsonObject {
  return { first: iso(first), counts: [...counts] }
}

/** @throws SluiceError STATE_MISMATCH when it is no such position. */
export function readCheckpoint(position: Json | undefined): Checkpoint {
  if (position === undefined) return { open: [] }
  const { highWatermark, swept, repaired, known, open } = objectOf(position)
  if (!Array.isArray(open)) throw mismatch()
  return {
    highWatermark: timeOf(highWatermark),
    swept: timeOf(swept),
    repaired: timeOf(repaired),
    known: known === undefined ? undefined : { query: textOf(objectOf(known)['query']), ...readCounts(known) },
    open: open.map((entry: Json) => {
      const { start, end, asOf, query, cursor, pages, records, sweep, counted, again, hours } = objectOf(entry)
      if (typeof query !== 'string' || typeof pages !== 'number' || typeof records !== 'number') throw mismatch()
      if (cursor !== undefined && typeof cursor !== 'string') throw mismatch()
      return {
        start: timeOf(start),
        end: timeOf(end),
        asOf: timeOf(asOf),
        query,
        cursor,
        pages,
        records,
        sweep: sweep === true,
        counted: typeof counted === 'number' ? counted : undefined,
        again: again === true,
        hours: hours === undefined ? undefined : readCounts(hours),
      }
    }),
  }
}

function readCounts(value: Json): Hours {
  const { first, counts } = objectOf(value)
  const start = timeOf(first)
  if (start === undefined || !Array.isArray(counts)) throw mismatch()
  const numbers = counts.filter((count: Json) => typeof count === 'number')
  if (numbers.length !== counts.length) throw mismatch()
  return { first: start, counts: numbers }
}

/** The position of a tenant that has been read to `to` and no further. Undefined where reading goes by pages alone. */
export function rewindPosition(position: Json, to: number): { position: Json; by: number } | undefined {
  const { highWatermark } = readCheckpoint(position)
  return highWatermark === undefined
    ? undefined
    : { position: writeCheckpoint({ highWatermark: to, open: [] }), by: highWatermark - to }
}

export function iso(time: number): string {
  return new Date(time).toISOString()
}

function objectOf(value: Json | undefined): JsonObject {
  if (isObject(value)) return value
  throw mismatch()
}

function textOf(value: Json | undefined): string {
  if (typeof value === 'string') return value
  throw mismatch()
}

function timeOf(value: Json | undefined): number | undefined {
  if (value === undefined) return undefined
  const time = typeof value === 'string' ? Date.parse(value) : NaN
  if (Number.isNaN(time)) throw mismatch()
  return time
}

function mismatch(): SluiceError {
  return new SluiceError(
    'STATE_MISMATCH',
    'the position in the state was not made by an http source: reset the state, or give the pipeline another name',
  )
}

/** RFC 3339, or a duration back from `now`. @throws SluiceError CONFIG_INVALID */
export function parseMoment(text: string, now: number): number {
  if (!/^\d{4}-/.test(text)) return now - parseDuration(text)
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(time)) return time
  throw new SluiceError('CONFIG_INVALID', `"${text}" is not a time`, {
    hint: 'write 2024-03-04T00:00:00Z, or a duration back from now such as 90d',
  })
}

/** True for a moment that does not move with the clock. */
export function isAbsolute(moment: string): boolean {
  return /^\d{4}-/.test(moment)
}

export interface WindowPlan {
  readonly start: number
  readonly end: number
  /** The high watermark that the window continues: moved when what lies behind it is no longer kept by the API. */
  readonly highWatermark: number
  readonly sweep: boolean
  readonly gap?: { readonly from: number; readonly to: number }
}

interface PlanInput {
  readonly highWatermark: number | undefined
  readonly swept: number | undefined
  /** The time of the API. */
  readonly now: number
  /** Windows end here at the latest. */
  readonly target: number
  /** How far to stay away from the edge of retention, which moves while we read. */
  readonly margin: number
}

/** The window that follows the high watermark, or undefined when there is none yet. */
export function planWindow(
  window: WindowOptions,
  { highWatermark, swept, now, target, margin }: PlanInput,
): WindowPlan | undefined {
  const { since, step = Infinity, overlap, retention = Infinity } = window
  const edge = now - retention + margin
  const wanted = highWatermark ?? parseMoment(since, now)
  const from = Math.max(wanted, edge)
  if (from >= target) return undefined
  const floor = isAbsolute(since) ? parseMoment(since, now) : -Infinity
  const { sweep: depth, sweepEvery } = window
  // The first window of all reads what a sweep would.
  const sweep = depth !== undefined && (highWatermark === undefined || swept === undefined || now - swept >= sweepEvery)
  const back = sweep ? Math.max(depth, overlap) : overlap
  const start = highWatermark === undefined ? from : Math.max(from - back, edge, floor)
  const end = Math.min(from + step, target)
  const isGap = from - wanted > EDGE_MARGIN
  return { start, end, highWatermark: from, sweep, ...(isGap ? { gap: { from: wanted, to: from } } : {}) }
}

/** Windows stay this far away from the edge of retention, */
export const EDGE_MARGIN = 60_000
/** and this far once the API has refused one there. */
export const WIDE_EDGE_MARGIN = 600_000
