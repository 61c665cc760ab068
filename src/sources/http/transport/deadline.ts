import { nameOf, proxyFor } from '../../../network/proxy.ts'
import { invalidResponse } from './response-error.ts'

/**
 * Limits the total time of waiting for one response, from its credentials to its last byte. Time
 * outside of `wait` does not count, so a slow sink cannot make a fast server time out.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #limit: number
  readonly #setting: string
  readonly #parent: AbortSignal
  readonly #onAbort: () => void
  #remaining: number

  /**
   * Also aborts with `parent`. Call `close` once the response is complete.
   * @param setting Names the limit in the error, see `limitName`.
   */
  constructor(milliseconds: number, parent: AbortSignal, setting: string) {
    this.#limit = milliseconds
    this.#setting = setting
    this.#remaining = milliseconds
    this.#parent = parent
    this.#onAbort = () => this.#controller.abort(parent.reason)
    if (parent.aborted) this.#onAbort()
    else parent.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Awaits a promise. Once the remaining time is over, aborts the signal and rejects, even if the
   * promise does not end.
   * @param what Completes "... was not complete after 6000 ms" in the error.
   * @throws SluiceError SOURCE_UNAVAILABLE, or the reason of the parent signal.
   */
  async wait<Result>(promise: Promise<Result>, what = 'the response'): Promise<Result> {
    const { signal } = this
    const start = performance.now()
    const timer = setTimeout(() => this.#expire(what), Math.max(1, this.#remaining))
    let onAbort = ignore
    const aborted = new Promise<never>((_resolve, reject) => {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- reasons are errors
      onAbort = () => reject(signal.reason)
      if (signal.aborted) onAbort()
      else signal.addEventListener('abort', onAbort, { once: true })
    })
    try {
      return await Promise.race([promise, aborted])
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      this.#remaining -= performance.now() - start
    }
  }

  /** Like `wait`, but no longer than this many milliseconds. Undefined if that is not enough. */
  async waitAtMost<Result>(milliseconds: number, promise: Promise<Result>): Promise<Result | undefined> {
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, Math.max(1, Math.min(milliseconds, this.#remaining)), undefined)
    })
    try {
      return await this.wait(Promise.race([promise, over]))
    } finally {
      clearTimeout(timer)
    }
  }

  /** Awaits a promise that has a limit of its own. The time counts. */
  async count<Result>(promise: Promise<Result>): Promise<Result> {
    const start = performance.now()
    try {
      return await promise
    } finally {
      this.#remaining -= performance.now() - start
    }
  }

  close(): void {
    this.#parent.removeEventListener('abort', this.#onAbort)
  }

  #expire(what: string): void {
    this.#controller.abort(invalidResponse(`${what} was not complete after ${this.#limit} ms (${this.#setting})`))
  }
}

/** Names a limit in errors, and the proxy that may have caused it. */
export function limitName(url: URL, setting = 'timeout.request'): string {
  const proxy = proxyFor(url)
  return proxy === undefined ? setting : `${setting}; through the proxy ${nameOf(proxy)}`
}

function ignore(): void {}
