import type { CommitOptions, ObjectTarget } from '../commit-options.ts'
import type { Role } from '../state/rows.ts'

interface OutboxSpaceOptions extends Pick<CommitOptions, 'sink' | 'rejects' | 'stopping' | 'note'> {
  /** Bytes of a role's files: committed and not published, and those of the open epoch. */
  readonly bytes: (role: Role) => number
  /** Resolves when an object was published, or `stopping` aborts. */
  readonly changed: () => Promise<void>
}

/**
 * Backpressure of the outbox: reading stops while a sink's committed files take its whole budget.
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
    const { note, stopping, changed } = this.#options
    const full = this.#full()
    if (!full || stopping?.aborted) return
    note('the outbox is full; reading stops until the store accepts objects again', {
      stage: full.stage,
      maxBytes: full.outbox.maxBytes,
    })
    while (this.isFull) {
      throwIfFailed()
      if (stopping?.aborted) return
      await changed()
    }
    note('the outbox has space again', { stage: full.stage })
  }

  /** The sink whose budget is used up. */
  #full(): ObjectTarget | undefined {
    // Without a `rejects` sink, the sink publishes copies of rejects that an earlier configuration
    // committed.
    const { sink, rejects = sink, bytes } = this.#options
    if (bytes('sink') >= sink.outbox.maxBytes) return sink
    return bytes('rejects') >= rejects.outbox.maxBytes ? rejects : undefined
  }
}
