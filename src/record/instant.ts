/**
 * The instant that an RFC 3339 time stands for, in milliseconds since 1970, rounded down; NaN when the bytes are not such a time.
 * `start` and `end` are inside the quotes. Any offset, 0 to 9 fraction digits, `t` and `z` in either case; dates that do not exist
 * are NaN. A leap second is taken where UTC has room for one (23:59:60) and counts as the second after it.
 *
 * Stricter than ajv's `date-time`, which also takes a blank for the `T`, `+01` for an offset and more digits: whatever is an instant here is valid there.
 */
export function parseInstant(bytes: Uint8Array, start: number, end: number): number {
  const seconds = start + 17
  const zone = end - start < SHORTEST ? -1 : zoneStart(bytes, seconds + 2, end)
  if (zone < 0) return NaN
  if (bytes[start + 4] !== DASH || bytes[start + 7] !== DASH || (bytes[start + 10] | 0x20) !== LOWER_T) return NaN
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

/** The part of a time below its millisecond, in nanoseconds (0 to 999999). Only for bytes that `parseInstant` accepts. */
export function nanosecondsOf(bytes: Uint8Array, start: number, end: number): number {
  return digits(bytes, start + 23, 6, zoneStart(bytes, start + 19, end))
}

/** Length of `2024-03-04T18:01:26Z`. */
const SHORTEST = 20
const COLON = 0x3a
const DASH = 0x2d
const DOT = 0x2e
const LOWER_T = 0x74
const LOWER_Z = 0x7a
const PLUS = 0x2b
const DAYS = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
const NOT_DIGITS = 100

/** Where the zone begins behind the seconds and their fraction; -1 when the fraction is not one. */
function zoneStart(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] !== DOT) return at
  let zone = at + 1
  while (zone < end && (bytes[zone] - 0x30) >>> 0 <= 9) zone++
  const width = zone - at - 1
  return width === 0 || width > 9 || zone === end ? -1 : zone
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at] - 0x30
  const ones = bytes[at + 1] - 0x30
  return tens >>> 0 > 9 || ones >>> 0 > 9 ? NOT_DIGITS : tens * 10 + ones
}

/** Minutes east of UTC: `Z` or `+hh:mm`; NaN for anything else. */
function offsetMinutes(bytes: Uint8Array, zone: number, end: number): number {
  const sign = bytes[zone]
  if (end - zone === 1) return (sign | 0x20) === LOWER_Z ? 0 : NaN
  if (end - zone !== 6 || (sign !== PLUS && sign !== DASH) || bytes[zone + 3] !== COLON) return NaN
  const hours = twoDigits(bytes, zone + 1)
  const minutes = twoDigits(bytes, zone + 4)
  if (hours > 23 || minutes > 59) return NaN
  return sign === PLUS ? hours * 60 + minutes : -(hours * 60 + minutes)
}

function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : DAYS[month]
}

/** Days of the Gregorian calendar, counted in years that begin in March so that the leap day comes last. */
function daysSince1970(year: number, month: number, day: number): number {
  const fromMarch = month > 2 ? year : year - 1
  const leapDays = Math.floor(fromMarch / 4) - Math.floor(fromMarch / 100) + Math.floor(fromMarch / 400)
  const monthDays = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5)
  return fromMarch * 365 + leapDays + monthDays + day - 1 - 719468
}

/** The number that `count` digits spell, those from `end` on taken as 0. */
function digits(bytes: Uint8Array, start: number, count: number, end: number): number {
  let value = 0
  for (let at = start; at < start + count; at++) value = value * 10 + (at < end ? bytes[at] - 0x30 : 0)
  return value
}
