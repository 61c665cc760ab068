import { setTimeout as sleep } from 'node:timers/promises'
import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { headerText } from './json-values.ts'

/** At most so many requests per second, evenly spaced, whoever asks. */
export class Pace {
  readonly #spacing: number
  #next = 0

  constructor(perSecond: number) {
    this.#spacing = 1000 / perSecond
  }

  /** Resolves when the next request may start. */
  async turn(signal: AbortSignal): Promise<void> {
    const now = performance.now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.#spacing
    if (at > now) await sleep(at - now, undefined, { signal })
  }
}

/** Exponential backoff with full jitter, in milliseconds: the first retry waits up to a second, each further one up to twice as long. */
export function backoff(attempt: number, maxDelay: number): number {
  return Math.ceil(Math.random() * Math.min(maxDelay, 1000 * 2 ** (attempt - 1)))
}

/**
 * How long an API asks not to be asked again, in milliseconds: when `X-RateLimit-Remaining` (or `X-Rate-Limit-…`, `RateLimit-…`) is 0, until its
 * `Reset`, which is seconds from now or a Unix time, as seen from the answer's own Date.
 */
export function parseRateLimit(headers: IncomingHttpHeaders): number | undefined {
  for (const family of ['x-ratelimit', 'x-rate-limit', 'ratelimit']) {
    const remaining = headerText(headers[`${family}-remaining`])?.trim()
    const reset = headerText(headers[`${family}-reset`])?.trim()
    if (remaining !== '0' || reset === undefined || !/^\d{1,15}(\.\d+)?$/.test(reset)) continue
    const value = Number(reset)
    if (value < UNIX_TIMES) return Math.ceil(value * 1000)
    const date = Date.parse(headerText(headers['date']) ?? '')
    const until = value < UNIX_TIMES * 1000 ? value * 1000 : value
    return Math.max(0, Math.ceil(until - (Number.isNaN(date) ? Date.now() : date)))
  }
  return undefined
}

/** A number of seconds from here on is a time (since 2001), and from a thousand times that on one in milliseconds. */
const UNIX_TIMES = 1e9

/** A Retry-After header in milliseconds: seconds, or an HTTP date as seen from the answer's own Date. Undefined when it is neither. */
export function parseRetryAfter(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000
  const until = Date.parse(value)
  const now = date === undefined ? Date.now() : Date.parse(date)
  return Number.isFinite(until - now) ? Math.max(0, until - now) : undefined
}
