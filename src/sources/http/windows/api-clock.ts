/**
 * What time it is for the API: our clock or, if that is earlier, the time that its answers carry. A clock of ours that is fast would move
 * windows beyond what the API has.
 */
export class ApiClock {
  /** The API's time minus `performance.now()`, as of its latest answer. */
  #offset = Infinity

  /** Takes the Date header of an answer. */
  answered(date: string | string[] | undefined): void {
    const time = typeof date === 'string' ? Date.parse(date) : NaN
    if (!Number.isNaN(time)) this.#offset = time - performance.now()
  }

  /** True once an answer has told the time. */
  get isKnown(): boolean {
    return this.#offset !== Infinity
  }

  /** By how many milliseconds our clock is ahead of the API's, whose answers tell whole seconds; undefined without an answer. */
  fast(): number | undefined {
    if (!this.isKnown) return undefined
    const ahead = Date.now() - performance.now() - this.#offset
    return Math.abs(ahead) <= 1000 ? 0 : Math.round(ahead / 1000) * 1000
  }

  now(): number {
    return Math.floor(Math.min(Date.now(), performance.now() + this.#offset))
  }

  /** Marks this moment; the result tells what time it was, better once the API has answered. From then on it does not change. */
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
