import type { Readable } from 'node:stream'
import { catchReaders } from '../runtime/streams/readers.ts'

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

/**
 * The readable side of a stream that is filled by calls. A call waits while the reader has as much as
 * it wants.
 */
export class Outlet {
  #stream: Readable | undefined
  #waiting: Waiting[] = []
  #failure: Error | undefined

  /** The stream whose `read` calls `resume`. Returns it. */
  attach<Stream extends Readable>(stream: Stream): Stream {
    this.#stream = catchReaders(stream)
    return stream
  }

  /**
   * Returns a promise that resolves when the reader wants more, or undefined if it does already.
   * Throws or rejects after `fail`.
   */
  give(item: unknown): Promise<void> | undefined {
    if (this.#failure) throw this.#failure
    if (this.#stream?.push(item) === true) return undefined
    return new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** The reader wants more. */
  resume(): void {
    for (const waiting of this.#waiting.splice(0)) waiting.resolve()
  }

  /** Nobody reads any more. */
  fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure)
  }

  end(): void {
    this.#stream?.push(null)
  }
}
