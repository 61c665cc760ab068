import type { SluiceError } from '../../errors.ts'
import { SerialQueue } from '../serial-queue.ts'

/** Runs the operations of the commit one after the other, and wakes who waits for a change. */
export class CommitQueue {
  readonly #queue: SerialQueue
  readonly #listeners = new Set<() => void>()
  #changes = 0
  /** `#changes` at the last call of `see`. */
  #seen = 0

  /** @param beforeFailure see `SerialQueue` */
  constructor(beforeFailure: (error: SluiceError) => Promise<void>) {
    this.#queue = new SerialQueue(beforeFailure)
  }

  /** See `SerialQueue.run`. Its end counts as a change. */
  async run(operation: () => Promise<void>): Promise<void> {
    try {
      await this.#queue.run(operation)
    } finally {
      this.notify()
    }
  }

  /** See `SerialQueue.fail`. */
  fail(error: Error): void {
    this.#queue.fail(error)
    this.notify()
  }

  throwIfFailed(): void {
    this.#queue.throwIfFailed()
  }

  /** See `SerialQueue.idle`. */
  idle(): Promise<void> {
    return this.#queue.idle()
  }

  /** Call this when something has changed that others may wait for. */
  notify(): void {
    this.#changes++
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  /** `changed` waits for what changes from now on. */
  see(): void {
    this.#seen = this.#changes
  }

  /**
   * Resolves when something has changed since the last call of `see` or `changed`.
   * @throws SluiceError if an operation has failed
   */
  async changed(): Promise<void> {
    this.throwIfFailed()
    if (this.#changes === this.#seen) await new Promise<void>((resolve) => this.#listeners.add(resolve))
    this.throwIfFailed()
    this.see()
  }

  /** Resolves when the condition is true after a change, or an operation has failed. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const listen = (): void => {
        if (condition() || this.#queue.failure) resolve()
        else this.#listeners.add(listen)
      }
      listen()
    })
  }
}
