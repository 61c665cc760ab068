import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { HOUR } from '../../../time.ts'
import type { Clock } from '../../../clock.ts'
import { headerText } from './json-values.ts'

/** Spaces requests evenly, of all callers together. */
export class Pace {
  readonly #spacing: number
  readonly #time: Clock
  #next = 0

  constructor(perSecond: number, time: Clock) {
    this.#spacing = 1000 / perSecond
    this.#time = time
  }

  /** Resolves when the next request may start. */
  async turn(signal: AbortSignal): Promise<void> {
    const now = this.#time.monotonic()
    const at = Math.max(now, this.#next)
    this.#next = at + this.#spacing
    if (at > now) await this.#time.sleep(at - now, signal)
  }
}

interface PauseOptions {
  readonly time: Clock
  readonly signal: AbortSignal
  announce(wait: number): void
}

/** Pauses the requests of one tenant once a response says that its rate limit is used up. */
export class RateLimitPause {
  readonly #options: PauseOptions
  /** By `Clock.monotonic()`. */
  #until = 0

  constructor(options: PauseOptions) {
    this.#options = options
  }

  /** Takes the headers of a response. */
  observe(headers: IncomingHttpHeaders): void {
    this.#until = this.#options.time.monotonic() + Math.min(MAX_RETRY_AFTER, parseRateLimit(headers) ?? 0)
  }

  /** Resolves when the next request is allowed. */
  async wait(): Promise<void> {
    const { time, signal } = this.#options
    const wait = this.#until - time.monotonic()
    if (wait <= 0) return
    this.#options.announce(wait)
    await time.sleep(wait, signal)
  }
}

/**
 * Longest wait that an API can ask for, in milliseconds. Beyond it the run fails; the next run
 * resumes from the state.
 */
export const MAX_RETRY_AFTER = HOUR

/**
 * Milliseconds until the next attempt: what the server asks for, else the backoff. A server that
 * asks for no wait at all gets the backoff too, so that all attempts do not follow at once.
 */
export function waitOf(
  attempt: number,
  retryAfter: number | undefined,
  { maxDelay, time }: { readonly maxDelay: number; readonly time: Clock },
): number {
  return retryAfter === undefined || retryAfter === 0 ? backoff(attempt, maxDelay, time) : retryAfter
}

/**
 * Exponential backoff with full jitter, in milliseconds: up to a second before the first retry,
 * doubling with each further one.
 */
function backoff(attempt: number, maxDelay: number, time: Clock): number {
  return Math.ceil(time.jitter() * Math.min(maxDelay, 1000 * 2 ** (attempt - 1)))
}

/**
 * The pause that a used-up rate limit asks for, in milliseconds: if `X-RateLimit-Remaining` (or
 * `X-Rate-Limit-...`, `RateLimit-...`) is 0, the time until `Reset`. Undefined if it is not used up,
 * or `Reset` cannot be read.
 */
export function parseRateLimit(headers: IncomingHttpHeaders): number | undefined {
  for (const family of ['x-ratelimit', 'x-rate-limit', 'ratelimit']) {
    const remaining = headerText(headers[`${family}-remaining`])?.trim()
    const wait = parseWait(headerText(headers[`${family}-reset`]), headerText(headers['date']))
    if (remaining !== undefined && /^0+(\.0+)?$/.test(remaining) && wait !== undefined) return wait
  }
  return undefined
}

/** The wait that a Retry-After header asks for, in milliseconds. Undefined if it cannot be read. */
export function parseRetryAfter(value: string | undefined, date: string | undefined): number | undefined {
  return parseWait(value, date)
}

/**
 * Seconds from now, also with a fraction; a Unix time in seconds or milliseconds; an HTTP date (RFC
 * 9110, 5.6.7); or RFC 3339. Times are compared with the Date of the same response, so our clock
 * does not matter. A time in the past is 0. Milliseconds, rounded up; undefined for anything else.
 */
function parseWait(value: string | undefined, date: string | undefined): number | undefined {
  const text = value?.trim() ?? ''
  if (/^\d{1,15}(\.\d{0,20})?$/.test(text)) {
    const number = Number(text)
    if (number < UNIX_TIMES) return Math.ceil(Math.round(number * 1e6) / 1000)
    return untilTime(number < UNIX_TIMES * 1000 ? number * 1000 : number, date)
  }
  // More digits than any time: longer than every limit.
  if (/^\d{16,}(\.\d*)?$/.test(text)) return Number.MAX_SAFE_INTEGER
  const time = parseHttpDate(text) ?? (RFC_3339.test(text) ? Date.parse(text) : NaN)
  return Number.isNaN(time) ? undefined : untilTime(time, date)
}

function untilTime(time: number, date: string | undefined): number {
  const now = parseHttpDate(date?.trim() ?? '') ?? Date.now()
  return Math.max(0, Math.ceil(time - now))
}

/**
 * Smallest number of seconds that is a Unix time (since 2001); from a thousand times that on, one
 * in milliseconds.
 */
const UNIX_TIMES = 1e9

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

/**
 * The three forms of RFC 9110: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and
 * `Sun Nov  6 08:49:37 1994`. `Date.parse` alone also takes `1.5` and `-5` for dates.
 */
function parseHttpDate(text: string): number | undefined {
  const [, day = '', month = '', year = '', time = ''] =
    /^\w{3,9}, (\d\d)[ -](\w{3})[ -](\d{4}|\d\d) ([\d:]{8}) GMT$/.exec(text) ?? []
  const [, month2 = month, day2 = day, time2 = time, year2 = year] =
    /^\w{3} (\w{3}) ([ \d]\d) ([\d:]{8}) (\d{4})$/.exec(text) ?? []
  const parsed = Date.parse(`${day2.trim()} ${month2} ${fullYear(year2)} ${time2} GMT`)
  return Number.isNaN(parsed) ? undefined : parsed
}

/** A year of two digits that seems to be more than 50 years ahead is in the past (RFC 9110). */
function fullYear(year: string): string {
  if (year.length !== 2) return year
  const now = new Date().getUTCFullYear()
  const candidate = now - (now % 100) + Number(year)
  return String(candidate > now + 50 ? candidate - 100 : candidate)
}
