import type { PositionSummary } from '../../../component.ts'
import { SluiceError } from '../../../errors.ts'
import { plural } from '../../../observe/report.ts'
import { isSealed } from '../../../observe/secrets.ts'
import { isObject } from '../../../record/json/json.ts'
import type { Json, JsonObject } from '../../../record/json/json.ts'
import type { HourlyCounts, KnownHours } from './hourly-counts.ts'
import { iso } from '../../../fields/moment.ts'

/**
 * How far one tenant has been read: everything before the high watermark, plus the complete pages
 * of the open window. Times are milliseconds since 1970. Without time windows there is no high
 * watermark.
 */
export interface Checkpoint {
  readonly highWatermark?: number | undefined
  /** API time of the latest look-back. */
  readonly swept?: number | undefined
  /** API time of the latest reconciliation; initially that of the first window. */
  readonly repaired?: number | undefined
  /** The hourly counts that the next reconciliation compares with. */
  readonly known?: KnownHours | undefined
  /** At most one window is open. */
  readonly open: readonly OpenWindow[]
}

/**
 * A query that is being paged through. Its time range and counts do not change until its last page.
 */
export interface OpenWindow {
  readonly start?: number | undefined
  readonly end?: number | undefined
  /**
   * API time at the first page, minus the settling delay. The high watermark does not move past it.
   */
  readonly asOf?: number | undefined
  /** Fingerprint of the query that the cursor belongs to. */
  readonly query: string
  /** JSON text exactly as the API sent it. */
  readonly cursor?: string | undefined
  /** Complete pages so far, and their records. */
  readonly pages: number
  readonly records: number
  /** The window includes the look-back. */
  readonly sweep?: boolean | undefined
  /** Number of records in the window according to the API. */
  readonly counted?: number | undefined
  /** The first read returned fewer records than `counted`; this is the second and last read. */
  readonly again?: boolean | undefined
  /** Hourly counts of the API, taken before the window was read. */
  readonly hours?: HourlyCounts | undefined
}

/** The checkpoint as a position. Times are RFC 3339 so that people can read them. */
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

function writeHours({ first, counts }: HourlyCounts): JsonObject {
  return { first: iso(first), counts: [...counts] }
}

/** @throws SluiceError STATE_MISMATCH if the position was not written by `writeCheckpoint`. */
function readCheckpoint(position: Json | undefined): Checkpoint {
  if (position === undefined) return { open: [] }
  const { highWatermark, swept, repaired, known, open } = objectOf(position)
  if (!Array.isArray(open)) throw mismatch()
  return {
    highWatermark: timeOf(highWatermark),
    swept: timeOf(swept),
    repaired: timeOf(repaired),
    known: known === undefined ? undefined : { query: textOf(objectOf(known)['query']), ...readHours(known) },
    open: open.map(readWindow),
  }
}

function readWindow(value: Json): OpenWindow {
  const { start, end, asOf, query, cursor, pages, records, sweep, counted, again, hours } = objectOf(value)
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
    hours: hours === undefined ? undefined : readHours(hours),
  }
}

/**
 * The checkpoint to resume at. A window whose cursor holds a credential that is gone is read from
 * its start.
 */
export function resumeAt(position: Json | undefined): Checkpoint {
  const { open, ...checkpoint } = readCheckpoint(position)
  const windows = open.map((window) => {
    const isUsable = window.cursor === undefined || !isSealed(window.cursor)
    return isUsable ? window : { ...window, cursor: undefined, pages: 0, records: 0 }
  })
  return { ...checkpoint, open: windows }
}

function readHours(value: Json): HourlyCounts {
  const { first, counts } = objectOf(value)
  const start = timeOf(first)
  if (start === undefined || !Array.isArray(counts)) throw mismatch()
  const numbers = counts.filter((count: Json) => typeof count === 'number')
  if (numbers.length !== counts.length) throw mismatch()
  return { first: start, counts: numbers }
}

/**
 * Moves the high watermark of a position back to `to`, and drops everything else.
 * @returns the new position and the distance in milliseconds; undefined without time windows.
 */
export function rewindPosition(position: Json, to: number): { position: Json; by: number } | undefined {
  const { highWatermark } = readCheckpoint(position)
  return highWatermark === undefined
    ? undefined
    : { position: writeCheckpoint({ highWatermark: to, open: [] }), by: highWatermark - to }
}

export function describePosition(position: Json): PositionSummary {
  const { highWatermark, open } = readCheckpoint(position)
  const [window] = open
  if (window === undefined) return { readUpTo: highWatermark }
  const { start, end, pages, records } = window
  const range = start === undefined || end === undefined ? '' : ` of the window from ${iso(start)} to ${iso(end)}`
  return { readUpTo: highWatermark, detail: `${plural(pages, 'page')} (${plural(records, 'record')})${range}` }
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
    'the position in the state was not written by an http source: reset the state, or rename the pipeline',
  )
}
