/**
 * Buffers of one size, used again and again: with new ones for each batch the garbage collector would run all the time. As many are kept as
 * were in use at once.
 */
export class BufferPool {
  readonly #bytes: number
  readonly #spare: Buffer[] = []

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** A buffer of at least so many bytes; one of its own size when that is more, or less than half, of what the pool has. */
  take(bytes: number): Buffer {
    if (bytes > this.#bytes || bytes < this.#bytes / 2) return Buffer.allocUnsafeSlow(bytes)
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
  }

  /** Takes back the memory of a buffer, or of a part of one, that nobody uses any more. Any other memory is left alone. */
  give({ buffer }: Buffer): void {
    if (buffer.byteLength === this.#bytes) this.#spare.push(Buffer.from(buffer))
  }
}
