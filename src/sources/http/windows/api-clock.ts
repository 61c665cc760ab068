/**
 * API time: our clock, or the time in the API's Date headers if that is earlier. If our clock is
 * fast, windows planned with it would end in the API's future and miss records.
 */
export class ApiClock {
  /** API time minus `performance.now()`, as of the latest response. */
  #offset = Infinity

  /** Takes the Date header of a response. */
  observe(date: string | string[] | undefined): void {
    const time = typeof date === 'string' ? Date.parse(date) : NaN
    if (!Number.isNaN(time)) this.#offset = time - performance.now()
  }

  /** True once a response has carried a Date header. */
  get isKnown(): boolean {
    return this.#offset !== Infinity
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

  /**
   * Marks this moment. The result returns its API time: our own clock's until the first response,
   * then a corrected time that no longer changes.
   */
  mark(): () => number {
    const local = Date.now()
    const monotonic = performance.now()
    let fixed: number | undefined
    return () => {
      if (fixed === undefined && this.isKnown) fixed = Math.floor(Math.min(local, monotonic + this.#offset))
      return fixed ?? local
    }
  }
}
