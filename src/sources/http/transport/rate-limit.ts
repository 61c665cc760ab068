import { setTimeout as sleep } from 'node:timers/promises'
import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { HOUR } from '../../../time.ts'
import { headerText } from './json-values.ts'

/** Spaces requests evenly, of all callers together. */
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

interface PauseOptions {
  readonly signal: AbortSignal
  log(message: string, details: { readonly waitMs: number }): void
}

/** Pauses the requests of one tenant once a response says that its rate limit is used up. */
export class RateLimitPause {
  readonly #options: PauseOptions
  /** By `performance.now()`. */
  #until = 0

  constructor(options: PauseOptions) {
    this.#options = options
  }

  /** Takes the headers of a response. */
  observe(headers: IncomingHttpHeaders): void {
    this.#until = performance.now() + Math.min(MAX_RETRY_AFTER, parseRateLimit(headers) ?? 0)
  }

  /** Resolves when the next request is allowed. */
  async wait(): Promise<void> {
    const wait = this.#until - performance.now()
    if (wait <= 0) return
    this.#options.log('the rate limit of the API is reached', { waitMs: Math.ceil(wait) })
    await sleep(wait, undefined, { signal: this.#options.signal })
  }
}

/**
 * Longest wait that an API can ask for, in milliseconds. Beyond it the run fails; the next run
 * resumes from the state.
 */
export const MAX_RETRY_AFTER = HOUR

/**
 * Exponential backoff with full jitter, in milliseconds: up to a second before the first retry,
 * doubling with each further one.
 */
export function backoff(attempt: number, maxDelay: number): number {
  return Math.ceil(Math.random() * Math.min(maxDelay, 1000 * 2 ** (attempt - 1)))
}

/**
 * The pause that a used-up rate limit asks for, in milliseconds: if `X-RateLimit-Remaining` (or
 * `X-Rate-Limit-…`, `RateLimit-…`) is 0, the time until `Reset`. That header holds seconds from
 * now, or a Unix time, which is compared with the Date of the same response.
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

/**
 * Smallest number of seconds that is a Unix time (since 2001); from a thousand times that on, one
 * in milliseconds.
 */
const UNIX_TIMES = 1e9

/**
 * A Retry-After header in milliseconds. It holds seconds, or an HTTP date, which is compared with
 * the Date of the same response. Undefined if it is neither.
 */
export function parseRetryAfter(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000
  const until = Date.parse(value)
  const now = date === undefined ? Date.now() : Date.parse(date)
  return Number.isFinite(until - now) ? Math.max(0, until - now) : undefined
}
