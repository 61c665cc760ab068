import { nanosecondsOf, parseInstant } from '../../record/json/instant.ts'
import { LEAP_SECOND } from '../../record/json/time-spellings.ts'
import type { Fail } from './fault.ts'
import { Duration, MAX_INT, MIN_INT, Timestamp } from './values.ts'

/** `0001-01-01T00:00:00Z` and the last nanosecond of the year 9999, as in CEL. */
export const MIN_TIME = -62_135_596_800n * 1_000_000_000n
export const MAX_TIME = 253_402_300_800n * 1_000_000_000n - 1n

/** The time of a text, with its nanoseconds. It reads what Sluice reads as a time everywhere. */
export function readTimestamp(text: string, fail: Fail): Timestamp {
  const bytes = Buffer.from(text)
  const milliseconds = parseInstant(bytes, 0, bytes.length)
  if (Number.isNaN(milliseconds)) return fail('the text is not a time')
  const nanoseconds = nanosecondsOf(bytes, 0, bytes.length) % LEAP_SECOND
  const all = BigInt(milliseconds) * 1_000_000n + BigInt(Math.floor(nanoseconds))
  return all < MIN_TIME || all > MAX_TIME ? fail('the time is beyond the years 1 to 9999') : new Timestamp(all)
}

const PARTS = /(\d+)(?:\.(\d{1,9}))?(h|ms|m|s|us|µs|ns)/gy
const DURATION = /^[-+]?(?:\d+(?:\.\d{1,9})?(?:h|ms|m|s|us|µs|ns)){1,6}$/
const UNITS: { readonly [unit: string]: bigint } = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  ns: 1n,
}

/** A duration as in Go: `1h30m`, `1.5s`, `-250ms`. */
export function readDuration(text: string, fail: Fail): Duration {
  if (text.length > 100 || !DURATION.test(text)) return fail('the text is not a duration such as 1h30m or 1.5s')
  let nanoseconds = 0n
  for (const [, whole, fraction = '', unit] of text.replace(/^[-+]/, '').matchAll(PARTS)) {
    const factor = UNITS[unit]
    nanoseconds += BigInt(whole) * factor + (BigInt(fraction.padEnd(9, '0')) * factor) / 1_000_000_000n
  }
  const signed = text.startsWith('-') ? -nanoseconds : nanoseconds
  if (signed < MIN_INT || signed > MAX_INT) return fail('the duration is longer than 292 years')
  return new Duration(signed)
}

/** The parts of a time that CEL can read, at an offset from UTC. Months and days of the month begin at 0. */
export const timeParts: { readonly [name: string]: (date: Date) => number } = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getDayOfYear: (date) => Math.floor((date.getTime() - new Date(date).setUTCMonth(0, 1)) / 86_400_000),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
}

/** What the same functions give for a duration: all of it in that unit, without a fraction. */
export const durationParts: { readonly [name: string]: bigint } = {
  getHours: UNITS['h'],
  getMinutes: UNITS['m'],
  getSeconds: UNITS['s'],
  getMilliseconds: UNITS['ms'],
}

const OFFSET = /^([-+])(\d\d):(\d\d)$/

/** Milliseconds east of UTC; undefined if the text is not `UTC` or an offset such as `+02:00`. */
export function offsetOf(zone: string): number | undefined {
  if (zone === 'UTC' || zone === 'Z') return 0
  const [, sign, hours, minutes] = OFFSET.exec(zone) ?? []
  if (sign === undefined || Number(hours) > 23 || Number(minutes) > 59) return undefined
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}
