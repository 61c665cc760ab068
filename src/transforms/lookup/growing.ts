import { TableProblem } from './table-problem.ts'

/** Bytes that grow at their end. */
export class GrowingBytes {
  length = 0
  #bytes = Buffer.allocUnsafeSlow(1 << 12)

  get bytes(): Buffer {
    return this.#bytes
  }

  append(more: Uint8Array): void {
    const end = this.length + more.length
    if (end > this.#bytes.length) this.#grow(end)
    this.#bytes.set(more, this.length)
    this.length = end
  }

  /** What was appended, in memory of its own size. */
  finish(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.length)
    this.#bytes.copy(bytes, 0, 0, this.length)
    return bytes
  }

  #grow(needed: number): void {
    // Offsets have 32 bits.
    if (needed >= 2 ** 32) throw new TableProblem(['file'], 'has more than 4 GiB of keys or values')
    const grown = Buffer.allocUnsafeSlow(Math.min(2 ** 32 - 1, Math.max(needed, 2 * this.#bytes.length)))
    this.#bytes.copy(grown, 0, 0, this.length)
    this.#bytes = grown
  }
}

/** Numbers of 32 bits that grow at their end. */
export class GrowingNumbers {
  length = 0
  #numbers = new Uint32Array(1 << 10)

  push(number: number): void {
    if (this.length === this.#numbers.length) {
      const grown = new Uint32Array(2 * this.length)
      grown.set(this.#numbers)
      this.#numbers = grown
    }
    this.#numbers[this.length++] = number
  }

  at(index: number): number {
    return this.#numbers[index]
  }

  finish(): Uint32Array {
    return this.#numbers.slice(0, this.length)
  }
}
