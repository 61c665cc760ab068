import type { Readable } from 'node:stream'

/**
 * The readable side of a stream that is filled by calls. A call waits while the reader has as much as
 * it wants.
 */
export class Outlet {
  #stream: Readable | undefined
  #resume: (() => void) | undefined

  /** The stream whose `read` calls `resume`. Returns it. */
  attach<Stream extends Readable>(stream: Stream): Stream {
    this.#stream = stream
    return stream
  }

  /** Resolves when the reader wants more. Never, if the stream is destroyed. */
  async give(item: unknown): Promise<void> {
    if (this.#stream?.push(item) === true) return
    await new Promise<void>((resolve) => (this.#resume = resolve))
  }

  resume(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  end(): void {
    this.#stream?.push(null)
  }
}
