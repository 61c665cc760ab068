import { daysInMonth, daysSince1970 } from './calendar.ts'

/** A time in a spelling that is not RFC 3339. */
export interface SpelledTime {
  /** Milliseconds since 1970, rounded down. */
  readonly milliseconds: number
  /** The nanoseconds below the millisecond; and `LEAP_SECOND`, if the second is 60. */
  readonly nanoseconds: number
}

/** No time has more characters. */
export const LONGEST_TIME = 64

/** Distinguishes a leap second from the second after it. */
export const LEAP_SECOND = 1_000_000_000

/**
 * Reads the spellings of time that products use in their events besides RFC 3339; undefined for any
 * other text. `docs/pipeline-file.md` lists them. What is ambiguous has one rule:
 * - A time without a zone is in UTC.
 * - A number is an epoch time. Its unit follows from the number of digits before the point: 9 or 10
 *   for seconds, 12 or 13 for milliseconds, 15 or 16 for microseconds, 18 or 19 for nanoseconds
 *   (1973 to 2286 in each unit). 14 digits are a date.
 * - Nine digits of a fraction of a second count.
 *
 * @param text the text of a string, or a number as it is spelled.
 */
export function readTimeSpelling(text: string): SpelledTime | undefined {
  if (text.length < SHORTEST || text.length > LONGEST_TIME) return undefined
  const epoch = EPOCH.exec(text)
  const below = epoch === null ? undefined : EPOCH_UNITS.get(epoch[1].length)
  if (epoch !== null && below !== undefined) {
    const [, whole, fraction = ''] = epoch
    const border = whole.length - below
    return spelledTime(Number(whole.slice(0, border)), whole.slice(border) + fraction)
  }
  for (const pattern of CALENDAR) {
    const fields = pattern.exec(text)?.groups
    if (fields !== undefined) return ofCalendar(fields)
  }
  const power = POWER.exec(text)
  return power === null ? undefined : readTimeSpelling(withoutExponent(power[1], power[2], Number(power[3])))
}

/** A count of seconds. */
const SHORTEST = 9
const EPOCH = /^([1-9]\d{8,18})(?:\.(\d+))?$/
/** The digits below the second, by the number of digits. */
const EPOCH_UNITS = new Map([
  [9, 0],
  [10, 0],
  [12, 3],
  [13, 3],
  [15, 6],
  [16, 6],
  [18, 9],
  [19, 9],
])
/** Some programs write a large number as `1.709575302e+09`. */
const POWER = /^([1-9])\.(\d+)[eE]\+?(\d\d?)$/

const ZONE = String.raw`(?: ?(?:Z|UTC|GMT)| ?(?<sign>[-+])(?<zoneHour>\d\d)(?::?(?<zoneMinute>\d\d))?(?: UTC)?)?`
const SECONDS = String.raw`(?<second>\d\d)(?:[.,](?<fraction>\d+))?`
const NAMED_MONTH = '(?<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)'
const MONTHS = NAMED_MONTH.slice(NAMED_MONTH.indexOf('>') + 1, -1).split('|')
const CALENDAR = [
  // 2024-03-04T18:01:42.5+0000, 2024-03-04 18:01:42,5 UTC, 2024-03-04T18:01, 2024-03-04
  String.raw`(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:[T ](?<hour>\d\d):(?<minute>\d\d)(?::${SECONDS})?${ZONE})?`,
  // 20240304180142.5, 20240304T180142Z
  String.raw`(?<year>\d{4})(?<month>\d\d)(?<day>\d\d)T?(?<hour>\d\d)(?<minute>\d\d)${SECONDS}${ZONE}`,
  // Mon, 04 Mar 2024 18:01:42 GMT
  String.raw`(?:[a-z]{3}, )?(?<day>\d\d?)[- ]${NAMED_MONTH}[- ](?<year>\d{4}) (?<hour>\d\d):(?<minute>\d\d)(?::${SECONDS})?${ZONE}`,
  // 04/Mar/2024:18:01:42 +0000
  String.raw`(?<day>\d\d)/${NAMED_MONTH}/(?<year>\d{4}):(?<hour>\d\d):(?<minute>\d\d):${SECONDS}${ZONE}`,
].map((pattern) => new RegExp(`^${pattern}$`, 'i'))

function ofCalendar(fields: { readonly [name: string]: string | undefined }): SpelledTime | undefined {
  const { year: y, month: m = '', day: d, hour = 0, minute = 0, second = 0, sign, fraction = '' } = fields
  const year = Number(y)
  const month = Number(m) || 1 + MONTHS.indexOf(m.toLowerCase())
  const day = Number(d)
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  const [zoneHour, zoneMinute] = [Number(fields['zoneHour'] ?? 0), Number(fields['zoneMinute'] ?? 0)]
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60 || zoneHour > 23 || zoneMinute > 59)
    return undefined
  const offset = (sign === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute)
  const minutes = daysSince1970(year, month, day) * 1440 + Number(hour) * 60 + Number(minute) - offset
  const isLeap = Number(second) === 60
  if (isLeap && (minutes + 1) % 1440 !== 0) return undefined
  const time = spelledTime(minutes * 60 + Number(second), fraction)
  return isLeap ? { ...time, nanoseconds: time.nanoseconds + LEAP_SECOND } : time
}

function spelledTime(seconds: number, fraction: string): SpelledTime {
  return {
    milliseconds: seconds * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0')),
    nanoseconds: Number(fraction.slice(3, 9).padEnd(6, '0')),
  }
}

function withoutExponent(first: string, rest: string, exponent: number): string {
  const digits = first + rest.padEnd(exponent, '0')
  const fraction = digits.slice(exponent + 1)
  return digits.slice(0, exponent + 1) + (fraction === '' ? '' : `.${fraction}`)
}
