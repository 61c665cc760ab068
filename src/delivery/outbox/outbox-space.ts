import type { CommitOptions, ObjectTarget } from '../commit-options.ts'
import { REJECTS } from '../state/rows.ts'

interface OutboxSpaceOptions extends Pick<CommitOptions, 'sinks' | 'rejects' | 'stopping' | 'events'> {
  /** Bytes of the files of a sink: committed and not published, and those of the open epoch. */
  readonly bytes: (sink: string) => number
  /** Resolves when an object was published, or `stopping` aborts. */
  readonly changed: () => Promise<void>
}

/**
 * Backpressure of the outbox: reading stops while the committed files of a sink take its whole budget.
 * Each sink has a budget of its own, so one that is away holds the run only then.
 */
export class OutboxSpace {
  readonly #options: OutboxSpaceOptions

  constructor(options: OutboxSpaceOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#full() !== undefined
  }

  /**
   * Resolves when every sink is below its budget, or the run is asked to end: an interrupted run
   * commits the batches that are under way even if the outbox is full.
   * @param throwIfFailed called before each wait; its error ends the wait.
   */
  async wait(throwIfFailed: () => void): Promise<void> {
    const { events, stopping, changed } = this.#options
    const full = this.#full()
    if (!full || stopping?.aborted) return
    const started = performance.now()
    const { name: sink, outbox } = full
    events?.publish('sluice:outbox:full', { sink, maxBytes: outbox.maxBytes })
    while (this.isFull) {
      throwIfFailed()
      if (stopping?.aborted) return
      await changed()
    }
    events?.publish('sluice:outbox:free', { sink, milliseconds: performance.now() - started })
  }

  /** The sink whose budget is used up. */
  #full(): ObjectTarget | undefined {
    // Without a `rejects` sink, another sink publishes copies of rejects that an earlier configuration
    // committed.
    const { sinks, rejects = sinks[0], bytes } = this.#options
    const full = sinks.find(({ name, outbox }) => bytes(name) >= outbox.maxBytes)
    return full ?? (bytes(REJECTS) >= rejects.outbox.maxBytes ? rejects : undefined)
  }
}
