import { hash32 } from './random.ts'

/** Microseconds since the epoch plus 0 to 999 nanoseconds: exact, unlike a single double. */
interface Instant {
  readonly micros: number
  readonly nanos: number
}

export interface Moment extends Instant {
  /**
   * Fraction digits in the event's text, 0 to 9: enough for the instant, sometimes padded with
   * zeros.
   */
  readonly digits: number
}

/** The moment of each event: a pure, non-decreasing function of its index. */
export type Timeline = (index: number) => Moment

/**
 * Spreads `count` events over `[start, end)` (epoch milliseconds): each index has a slot and falls
 * somewhere in it. About one event in 16 has exactly the instant of the previous one, so that pages
 * end between equal timestamps. If slots are shorter than half an hour, an event falls exactly on
 * each full hour, so that adjacent windows share it. Fewer fraction digits are used only if the
 * slot contains such a rounded instant.
 */
export function createTimeline(seed: number, count: number, start: number, end: number): Timeline {
  const origin = start * 1000
  const slot = ((end - start) * 1000) / count
  if (!(slot >= 1)) throw new RangeError(`${count} events do not fit between ${start} and ${end} at 1 per microsecond`)

  function hourIn(index: number): number | undefined {
    const hour = Math.ceil((origin + Math.floor(index * slot)) / HOUR) * HOUR
    return slot < HOUR / 2 && hour < origin + Math.floor((index + 1) * slot) ? hour : undefined
  }

  function sharesInstant(index: number): boolean {
    return index > 0 && hash32(seed, index, LANE_TIE) % 16 === 0 && hourIn(index) === undefined
  }

  function ownMoment(index: number): Moment {
    const from = origin + Math.floor(index * slot)
    const to = origin + Math.floor((index + 1) * slot)
    const hour = hourIn(index)
    if (hour !== undefined) return { micros: hour, nanos: 0, digits: digitsOf(seed, index) }
    const micros = from + Math.floor((hash32(seed, index, LANE_JITTER) / 2 ** 32) * (to - from))
    for (let digits = digitsOf(seed, index); digits < 6; digits++) {
      const unit = 10 ** (6 - digits)
      const rounded = Math.floor(micros / unit) * unit
      const inside = rounded < from ? rounded + unit : rounded
      if (inside < to) return { micros: inside, nanos: 0, digits }
    }
    const digits = Math.max(6, digitsOf(seed, index))
    const unit = 10 ** (9 - digits)
    const nanos = hash32(seed, index, LANE_NANOS) % 1000
    return { micros, nanos: nanos - (nanos % unit), digits }
  }

  return (index) => {
    let base = index
    while (sharesInstant(base)) base--
    const moment = ownMoment(base)
    if (base === index) return moment
    return { micros: moment.micros, nanos: moment.nanos, digits: Math.max(moment.digits, digitsOf(seed, index)) }
  }
}

/** RFC 3339 in UTC with exactly `digits` fraction digits. */
export function formatMoment({ micros, nanos, digits }: Moment): string {
  const seconds = Math.floor(micros / 1_000_000)
  const day = Math.floor(seconds / 86_400)
  const second = seconds - day * 86_400
  const clock = `${dayText(day)}T${two((second / 3600) | 0)}:${two(((second / 60) | 0) % 60)}:${two(second % 60)}`
  if (digits === 0) return `${clock}Z`
  const fraction = ((micros - seconds * 1_000_000) * 1000 + nanos).toString().padStart(9, '0')
  return `${clock}.${fraction.slice(0, digits)}Z`
}

const HOUR = 3_600_000_000
const LANE_JITTER = 1
const LANE_NANOS = 2
const LANE_DIGITS = 3
const LANE_TIE = 4
const DIGITS = [0, 0, 0, 0, 3, 3, 3, 3, 3, 9, 9, 9, 9, 6, 1, 2, 4, 5, 7, 8]
const TWO = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'))

function digitsOf(seed: number, index: number): number {
  return DIGITS[hash32(seed, index, LANE_DIGITS) % DIGITS.length]
}

function two(n: number): string {
  return TWO[n]
}

let cachedDay = Number.NaN
let cachedText = ''

function dayText(day: number): string {
  if (day !== cachedDay) {
    cachedText = new Date(day * 86_400_000).toISOString().slice(0, 10)
    cachedDay = day
  }
  return cachedText
}
