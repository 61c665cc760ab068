/**
 * API time: our clock, or the time in the API's Date headers if that is earlier. If our clock is
 * fast, windows planned with it would end in the API's future and miss records.
 *
 * An API that sends no Date header still gives evidence: it has reached the time of every event
 * that it shows. That is a lower bound, which watermarks do not pass.
 */
export class ApiClock {
  /** API time minus `performance.now()`, as of the latest response. */
  #offset = Infinity
  /** At least API time minus `performance.now()`, from the times of events. */
  #shown = -Infinity
  #hasAnswered = false

  /** Takes the Date header of a response. */
  observe(date: string | string[] | undefined): void {
    this.#hasAnswered = true
    const time = typeof date === 'string' ? Date.parse(date) : NaN
    if (!Number.isNaN(time)) this.#offset = time - performance.now()
  }

  /** Takes the time of an event in a response. */
  observeEvent(time: number): void {
    this.#shown = Math.max(this.#shown, time - performance.now())
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
    const ahead = Date.now() - performance.now() - this.#offset
    return Math.abs(ahead) <= 1000 ? 0 : Math.round(ahead / 1000) * 1000
  }

  now(): number {
    return Math.floor(Math.min(Date.now(), performance.now() + this.#offset))
  }

  /** The time in the API's Date headers, even if our clock is slow; our time if there are none. */
  reference(): number {
    return this.isKnown ? Math.floor(performance.now() + this.#offset) : Date.now()
  }

  /** Marks this moment. */
  mark(): MarkedMoment {
    const local = Date.now()
    const monotonic = performance.now()
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
