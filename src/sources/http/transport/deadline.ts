import { invalidResponse } from './response-error.ts'

/**
 * Limits the total time of waiting for one response. Time outside of `wait` does not count, so a
 * slow sink cannot make a fast server time out.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #limit: number
  readonly #parent: AbortSignal
  readonly #onAbort: () => void
  #remaining: number

  /** Also aborts with `parent`. Call `close` once the response is complete. */
  constructor(milliseconds: number, parent: AbortSignal) {
    this.#limit = milliseconds
    this.#remaining = milliseconds
    this.#parent = parent
    this.#onAbort = () => this.#controller.abort(parent.reason)
    if (parent.aborted) this.#onAbort()
    else parent.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Awaits a promise. Aborts the signal if that takes longer than the remaining time. */
  async wait<Result>(promise: Promise<Result>): Promise<Result> {
    const start = performance.now()
    const timer = setTimeout(() => this.#expire(), Math.max(1, this.#remaining))
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#remaining -= performance.now() - start
    }
  }

  close(): void {
    this.#parent.removeEventListener('abort', this.#onAbort)
  }

  #expire(): void {
    this.#controller.abort(invalidResponse(`the response was not complete after ${this.#limit} ms (timeout.request)`))
  }
}
