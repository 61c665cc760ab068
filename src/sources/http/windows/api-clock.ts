import type { Clock } from '../../../clock.ts'

/**
 * API time: our clock, or the time in the API's Date headers if that is earlier. If our clock is
 * fast, windows planned with it would end in the API's future and miss records.
 *
 * An API that sends no Date header still gives evidence: it has reached the time of every event
 * that it shows. That is a lower bound, which watermarks do not pass.
 */
export class ApiClock {
  readonly #time: Clock
  /** API time minus `Clock.monotonic()`, as of the latest response. */
  #offset = Infinity
  /** At least API time minus `Clock.monotonic()`, from the times of events. */
  #shown = -Infinity
  #hasAnswered = false

  constructor(time: Clock) {
    this.#time = time
  }

  /** Takes the Date header of a response. */
  observe(date: string | string[] | undefined): void {
    this.#hasAnswered = true
    const time = typeof date === 'string' ? Date.parse(date) : NaN
    if (!Number.isNaN(time)) this.#offset = time - this.#time.monotonic()
  }

  /** Takes the time of an event in a response. */
  observeEvent(time: number): void {
    this.#shown = Math.max(this.#shown, time - this.#time.monotonic())
  }

  /** True once a response has carried a Date header. */
  get isKnown(): boolean {
    return this.#offset !== Infinity
  }

  /** True once a response had no Date header, and none has had one. */
  get isMissing(): boolean {
    return this.#hasAnswered && !this.isKnown
  }

  /**
   * How many milliseconds our clock is ahead of the API's; negative if it is slow. Precise to a
   * second, as Date headers are. Undefined before the first response.
   */
  skew(): number | undefined {
    if (!this.isKnown) return undefined
    const ahead = this.#time.now() - this.#time.monotonic() - this.#offset
    return Math.abs(ahead) <= 1000 ? 0 : Math.round(ahead / 1000) * 1000
  }

  now(): number {
    return Math.floor(Math.min(this.#time.now(), this.#time.monotonic() + this.#offset))
  }

  /** The time in the API's Date headers, even if our clock is slow; our time if there are none. */
  reference(): number {
    return this.isKnown ? Math.floor(this.#time.monotonic() + this.#offset) : this.#time.now()
  }

  /** Marks this moment. */
  mark(): MarkedMoment {
    const local = this.#time.now()
    const monotonic = this.#time.monotonic()
    let fixed: number | undefined
    return {
      now: () => {
        if (fixed === undefined && this.isKnown) fixed = Math.floor(Math.min(local, monotonic + this.#offset))
        return fixed ?? local
      },
      proven: () => (this.isKnown ? Infinity : Math.floor(monotonic + this.#shown)),
    }
  }
}

/** A moment whose API time may become known later. */
export interface MarkedMoment {
  /** Its API time: our own clock's until the first response, then a time that no longer changes. */
  now(): number
  /**
   * The API had certainly reached this time: Infinity if its time is known, -Infinity without any
   * evidence.
   */
  proven(): number
}
