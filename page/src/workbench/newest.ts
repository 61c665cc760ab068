/**
 * Does a job for the newest question only. While it is under way, further questions wait, and only the last of
 * them is asked: typing does not fill the queue of the server.
 */
export class Newest {
  readonly #job: (isSuperseded: () => boolean) => Promise<void>
  #timer: ReturnType<typeof setTimeout> | undefined
  #asked = 0
  #isBusy = false
  #isDue = false

  /** @param job never throws; an answer that is superseded is to be dropped */
  constructor(job: (isSuperseded: () => boolean) => Promise<void>) {
    this.#job = job
  }

  /** @param milliseconds to wait for a newer question */
  ask(milliseconds = 0): void {
    this.#asked++
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#begin(), milliseconds)
  }

  async #begin(): Promise<void> {
    this.#isDue = true
    if (this.#isBusy) return
    this.#isBusy = true
    while (this.#isDue) {
      this.#isDue = false
      const asked = this.#asked
      await this.#job(() => asked !== this.#asked)
    }
    this.#isBusy = false
  }
}
