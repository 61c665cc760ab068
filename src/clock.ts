import { setTimeout as wait } from 'node:timers/promises'

/**
 * The time that a source plans and waits by. Tests of pipelines give it one that stands still
 * between waits, so that they do not wait and plan the same windows each time. Limits on real
 * requests (timeouts) do not use it.
 */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number
  /** Milliseconds that no correction of the clock changes. Only differences have a meaning. */
  monotonic(): number
  /** @throws AbortError when the signal aborts */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>
  /** The share of a backoff to wait, from 0 to 1. */
  jitter(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
  jitter: () => Math.random(),
}
