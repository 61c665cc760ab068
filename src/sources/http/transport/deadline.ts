import { invalidResponse } from './response-error.ts'

/**
 * A limit on the time that one response keeps us waiting in all. Time in which nobody waits does not count, so that a slow sink does not
 * make a fast server late.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #limit: number
  readonly #parent: AbortSignal
  readonly #onAbort: () => void
  #left: number

  /** Aborts with the parent too. Call `close` when the response is done with. */
  constructor(milliseconds: number, parent: AbortSignal) {
    this.#limit = milliseconds
    this.#left = milliseconds
    this.#parent = parent
    this.#onAbort = () => this.#controller.abort(parent.reason)
    if (parent.aborted) this.#onAbort()
    else parent.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The promise's own result; the signal aborts when it takes longer than what is left. */
  async wait<Result>(promise: Promise<Result>): Promise<Result> {
    const start = performance.now()
    const timer = setTimeout(() => this.#expire(), Math.max(1, this.#left))
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#left -= performance.now() - start
    }
  }

  close(): void {
    this.#parent.removeEventListener('abort', this.#onAbort)
  }

  #expire(): void {
    this.#controller.abort(invalidResponse(`the response was not complete after ${this.#limit} ms (timeout.request)`))
  }
}
