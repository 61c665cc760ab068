/**
 * Reuses buffers of one size: new buffers for each batch would keep the garbage collector busy. The
 * pool holds as many buffers as were in use at the same time.
 */
export class BufferPool {
  readonly #bytes: number
  readonly #spare: Buffer[] = []

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /**
   * Returns a buffer of at least this many bytes. It is not from the pool if it would be too small,
   * or more than twice as large.
   */
  acquire(bytes: number): Buffer {
    if (bytes > this.#bytes || bytes < this.#bytes / 2) return Buffer.allocUnsafeSlow(bytes)
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
  }

  /**
   * Returns a buffer, or a part of a buffer, to the pool. The caller must not use it any more.
   * Ignores memory of other origin.
   */
  release({ buffer }: Buffer): void {
    if (buffer.byteLength === this.#bytes) this.#spare.push(Buffer.from(buffer))
  }
}
