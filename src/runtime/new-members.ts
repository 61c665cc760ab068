import type { RecordShape } from '../component.ts'
import type { Batch } from '../record/batch.ts'
import { parsePath } from '../record/paths/grammar.ts'
import { keysOf } from '../record/paths/path.ts'
import type { Paths, Questions } from '../record/paths/path.ts'

/** Brings new members into the bytes of a batch, see `Batch.writePuts`. */
export type Bring = (batch: Batch) => void

/**
 * Decides before which stages of a pipeline new members must be in the bytes: before those that may ask
 * for one that an earlier stage puts into records. That is known from the configuration: what happens
 * to a record must not depend on the other records of its batch.
 */
export class NewMembers {
  readonly #paths: Paths
  /** Keys of the members that may not be in the bytes after the stages so far. */
  #pending: (readonly string[])[] = []
  #isDelivered = false

  constructor(paths: Paths) {
    this.#paths = paths
  }

  /** The members that the next stage puts into records. */
  add(writes: NonNullable<RecordShape['writes']>): void {
    for (const { path } of writes) this.#pending.push(keysOf(parsePath(path)) ?? [])
  }

  /** For the next stage, which asks this. */
  before(asked: Questions): Bring {
    if (!this.#isAsked(asked)) return NOTHING
    this.#pending = []
    return write
  }

  /** Call it before the first batch: what the delivery asks is known then, and custom code has asked nothing yet. */
  start(): void {
    this.#isDelivered = this.#isAsked(this.#paths.others)
  }

  /** For the delivery, after all stages. */
  deliver(batch: Batch): void {
    if (this.#isDelivered) batch.writePuts()
  }

  #isAsked(asked: Questions): boolean {
    return this.#pending.some((keys) => this.#paths.dependsOn(asked, keys))
  }
}

const NOTHING: Bring = () => undefined

function write(batch: Batch): void {
  batch.writePuts()
}
