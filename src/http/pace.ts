import { setTimeout as sleep } from 'node:timers/promises'

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

/** A Retry-After header in milliseconds: seconds, or an HTTP date as seen from the answer's own Date. Undefined when it is neither. */
export function parseRetryAfter(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000
  const until = Date.parse(value)
  const now = date === undefined ? Date.now() : Date.parse(date)
  return Number.isFinite(until - now) ? Math.max(0, until - now) : undefined
}
