import { COLON, DOT, LOWER_T, MINUS, NINE, PLUS, ZERO } from './ascii.ts'
import { daysInMonth, daysSince1970 } from './calendar.ts'
import { LEAP_SECOND, LONGEST_TIME, readTimeSpelling } from './time-spellings.ts'

/**
 * The one reader of time: `validate`, dedup keys and buckets, key templates, time limits and counts
 * of late records all use it. Returns milliseconds since 1970, rounded down; NaN if the bytes are not
 * a time, or the date does not exist. `start` and `end` exclude the quotes of a string; the bytes of
 * a number are read too.
 *
 * RFC 3339 is read fast: any offset, 0 to 9 fraction digits, `t` and `z` in either case. What else
 * is a time is in `time-spellings.ts`. A leap second is accepted where UTC may have one (23:59:60);
 * it counts as the following second, and `nanosecondsOf` tells them apart.
 */
export function parseInstant(bytes: Uint8Array, start: number, end: number): number {
  const instant = parseRfc3339(bytes, start, end)
  return instant === instant ? instant : spelledMilliseconds(bytes, start, end)
}

/** `parseInstant` for a text. */
export function parseInstantText(text: string): number {
  const bytes = Buffer.from(text)
  return parseInstant(bytes, 0, bytes.length)
}

/**
 * Whether a string is a `date-time` of a JSON schema: RFC 3339, with a blank for the `T`, more
 * digits, and `+0000` and `+00` as offsets. `parseInstant` reads each of them. Most times (in UTC,
 * day 1 to 28) are recognised without parsing them.
 */
export function isDateTime(bytes: Uint8Array, start: number, end: number): boolean {
  if (isOrdinary(bytes, start, end) || !Number.isNaN(parseRfc3339(bytes, start, end))) return true
  const text = textOf(bytes, start, end)
  return DATE_TIME.test(text) && readTimeSpelling(text) !== undefined
}

/** `isDateTime` for a text. */
export function isDateTimeText(text: string): boolean {
  if (text.length > LONGEST_TIME) return false
  const bytes = Buffer.from(text)
  return isDateTime(bytes, 0, bytes.length)
}

/**
 * The nanoseconds of a time below its millisecond, 0 to 999999, and `LEAP_SECOND` more in a leap
 * second. Only for bytes that `parseInstant` accepts.
 */
export function nanosecondsOf(bytes: Uint8Array, start: number, end: number): number {
  const zone = zoneStart(bytes, start + 19, end)
  if (end - zone !== 1 && (zone < 0 || zone >= end || bytes[zone + 3] !== COLON))
    return spelledNanoseconds(bytes, start, end)
  if ((bytes[start + 10] | 0x20) !== LOWER_T) return spelledNanoseconds(bytes, start, end)
  const nanoseconds = zone - start === SHORTEST - 1 ? 0 : digits(bytes, start + 23, 6, zone)
  return bytes[start + 17] === SIX ? nanoseconds + LEAP_SECOND : nanoseconds
}

function spelledMilliseconds(bytes: Uint8Array, start: number, end: number): number {
  return readTimeSpelling(textOf(bytes, start, end))?.milliseconds ?? NaN
}

function spelledNanoseconds(bytes: Uint8Array, start: number, end: number): number {
  return readTimeSpelling(textOf(bytes, start, end))?.nanoseconds ?? 0
}

function parseRfc3339(bytes: Uint8Array, start: number, end: number): number {
  const seconds = start + 17
  const zone = end - start < SHORTEST ? -1 : zoneStart(bytes, seconds + 2, end)
  if (zone < 0) return NaN
  if (bytes[start + 4] !== MINUS || bytes[start + 7] !== MINUS || (bytes[start + 10] | 0x20) !== LOWER_T) return NaN
  if (bytes[start + 13] !== COLON || bytes[start + 16] !== COLON) return NaN

  const century = twoDigits(bytes, start)
  const yearOfCentury = twoDigits(bytes, start + 2)
  const month = twoDigits(bytes, start + 5)
  const day = twoDigits(bytes, start + 8)
  const hour = twoDigits(bytes, start + 11)
  const minute = twoDigits(bytes, start + 14)
  const second = twoDigits(bytes, seconds)
  const offset = offsetMinutes(bytes, zone, end)
  if (century > 99 || yearOfCentury > 99 || hour > 23 || minute > 59 || second > 60 || offset !== offset) return NaN
  const year = century * 100 + yearOfCentury
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return NaN

  const minutes = daysSince1970(year, month, day) * 1440 + hour * 60 + minute - offset
  if (second === 60 && (minutes + 1) % 1440 !== 0) return NaN
  return (minutes * 60 + second) * 1000 + digits(bytes, seconds + 3, 3, zone)
}

function isOrdinary(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length < SHORTEST || bytes[end - 1] !== UPPER_Z) return false
  if (length > SHORTEST) {
    if (bytes[start + SHORTEST - 1] !== DOT || length === SHORTEST + 1 || length > LONGEST) return false
    for (let at = start + SHORTEST; at < end - 1; at++) if (!isDigit(bytes[at])) return false
  }
  const month = twoDigits(bytes, start + 5)
  const day = twoDigits(bytes, start + 8)
  return (
    twoDigits(bytes, start) <= 99 &&
    twoDigits(bytes, start + 2) <= 99 &&
    bytes[start + 4] === MINUS &&
    month >= 1 &&
    month <= 12 &&
    bytes[start + 7] === MINUS &&
    day >= 1 &&
    day <= 28 &&
    bytes[start + 10] === UPPER_T &&
    twoDigits(bytes, start + 11) <= 23 &&
    bytes[start + 13] === COLON &&
    twoDigits(bytes, start + 14) <= 59 &&
    bytes[start + 16] === COLON &&
    twoDigits(bytes, start + 17) <= 59
  )
}

/** Length of `2024-03-04T18:01:26Z`. */
const SHORTEST = 20
/** The same with nine digits of a fraction. */
const LONGEST = 30
const LOWER_Z = 0x7a
const UPPER_T = 0x54
const UPPER_Z = 0x5a
const SIX = 0x36
const NOT_DIGITS = 100
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d(?::?\d\d)?)$/

/** The text of a possible time; empty for longer bytes. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > LONGEST_TIME) return ''
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}

/** Where the zone begins, after the seconds and their fraction; -1 if the fraction is invalid. */
function zoneStart(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] !== DOT) return at
  let zone = at + 1
  while (zone < end && isDigit(bytes[zone])) zone++
  const width = zone - at - 1
  return width === 0 || width > 9 || zone === end ? -1 : zone
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at] - ZERO
  const ones = bytes[at + 1] - ZERO
  return tens >>> 0 > 9 || ones >>> 0 > 9 ? NOT_DIGITS : tens * 10 + ones
}

/** Minutes east of UTC: `Z` or `+hh:mm`; NaN for anything else. */
function offsetMinutes(bytes: Uint8Array, zone: number, end: number): number {
  const sign = bytes[zone]
  if (end - zone === 1) return (sign | 0x20) === LOWER_Z ? 0 : NaN
  if (end - zone !== 6 || (sign !== PLUS && sign !== MINUS) || bytes[zone + 3] !== COLON) return NaN
  const hours = twoDigits(bytes, zone + 1)
  const minutes = twoDigits(bytes, zone + 4)
  if (hours > 23 || minutes > 59) return NaN
  return sign === PLUS ? hours * 60 + minutes : -(hours * 60 + minutes)
}

/** The value of `count` digits; digits from `end` on count as 0. */
function digits(bytes: Uint8Array, start: number, count: number, end: number): number {
  let value = 0
  for (let at = start; at < start + count; at++) value = value * 10 + (at < end ? bytes[at] - ZERO : 0)
  return value
}
