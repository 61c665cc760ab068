import { COLON, DOT, LOWER_T, MINUS, NINE, PLUS, ZERO } from './ascii.ts'

/**
 * Parses an RFC 3339 time. Returns milliseconds since 1970, rounded down; NaN if the bytes are not
 * such a time, or the date does not exist. `start` and `end` exclude the quotes. Accepts any
 * offset, 0 to 9 fraction digits, `t` and `z` in either case. Accepts a leap second where UTC may
 * have one (23:59:60); it counts as the following second.
 *
 * Stricter than ajv's `date-time`, which also accepts a blank for `T`, `+01` as an offset, and more
 * digits. So every time accepted here is valid for ajv.
 */
export function parseInstant(bytes: Uint8Array, start: number, end: number): number {
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

/**
 * Whether `parseInstant` accepts the bytes. Most times (in UTC, day 1 to 28) are recognised without
 * parsing them.
 */
export function isInstant(bytes: Uint8Array, start: number, end: number): boolean {
  return isOrdinary(bytes, start, end) || !Number.isNaN(parseInstant(bytes, start, end))
}

/**
 * The nanoseconds of a time below its millisecond, 0 to 999999. Only for bytes that `parseInstant`
 * accepts.
 */
export function nanosecondsOf(bytes: Uint8Array, start: number, end: number): number {
  return digits(bytes, start + 23, 6, zoneStart(bytes, start + 19, end))
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
const DAYS = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
const NOT_DIGITS = 100

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

function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : DAYS[month]
}

/**
 * Days of the Gregorian calendar, counted in years that begin in March so that the leap day comes
 * last.
 */
function daysSince1970(year: number, month: number, day: number): number {
  const fromMarch = month > 2 ? year : year - 1
  const leapDays = Math.floor(fromMarch / 4) - Math.floor(fromMarch / 100) + Math.floor(fromMarch / 400)
  const monthDays = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5)
  return fromMarch * 365 + leapDays + monthDays + day - 1 - 719468
}

/** The value of `count` digits; digits from `end` on count as 0. */
function digits(bytes: Uint8Array, start: number, count: number, end: number): number {
  let value = 0
  for (let at = start; at < start + count; at++) value = value * 10 + (at < end ? bytes[at] - ZERO : 0)
  return value
}
