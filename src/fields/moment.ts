import { parseDuration } from './units.ts'
import { parseInstantText } from '../record/json/instant.ts'
import { SluiceError } from '../errors.ts'

/** RFC 3339 in UTC with milliseconds. */
export function iso(time: number): string {
  return new Date(time).toISOString()
}

/** Parses RFC 3339, or a duration back from `now`. @throws SluiceError CONFIG_INVALID */
export function parseMoment(text: string, now: number): number {
  if (!isAbsolute(text)) return now - parseDuration(text)
  const time = ZONED.test(text) ? parseInstantText(text) : NaN
  if (!Number.isNaN(time)) return time
  throw new SluiceError('CONFIG_INVALID', `"${text}" is not a time`, {
    hint: 'write 2024-03-04T00:00:00Z, or a duration back from now such as 90d',
  })
}

/** A configuration says which zone it means. */
const ZONED = /T.*(?:Z|[+-]\d\d:?\d\d)$/

/** True for a moment that does not move with the clock. */
export function isAbsolute(moment: string): boolean {
  return /^\d{4}-/.test(moment)
}
