import { asSluiceError } from '../errors.ts'
import type { SluiceError } from '../errors.ts'

/**
 * Runs operations one after the other. The first failure is final: after a failed write or fsync
 * only a recovery knows the content of the disk, so every later operation fails with that first
 * error.
 */
export class SerialQueue {
  readonly #beforeFailure: (error: SluiceError) => Promise<void>
  #last: Promise<unknown> = Promise.resolve()
  #failure: Error | undefined

  /**
   * @param beforeFailure awaited when an operation has failed, before the failure becomes final.
   */
  constructor(beforeFailure: (error: SluiceError) => Promise<void>) {
    this.#beforeFailure = beforeFailure
  }

  /** The first failure, of an operation or reported with `fail`. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Refuses every operation that has not started. No-op after an earlier failure. */
  fail(error: Error): void {
    this.#failure ??= error
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure
  }

  /**
   * Runs the operation after all earlier operations. Rejects with its error or an earlier failure.
   */
  run(operation: () => Promise<void>): Promise<void> {
    const result = this.#runAfter(this.#last, operation)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Resolves when every operation that was added so far has ended. Never rejects. */
  async idle(): Promise<void> {
    await this.#last
  }

  async #runAfter(previous: Promise<unknown>, operation: () => Promise<void>): Promise<void> {
    await previous
    this.throwIfFailed()
    try {
      await operation()
    } catch (error) {
      const failure = asSluiceError(error, 'INTERNAL', 'the commit failed')
      await this.#beforeFailure(failure)
      this.#failure ??= failure
      throw error
    }
  }
}
