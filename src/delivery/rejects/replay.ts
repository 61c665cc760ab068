import type { Batch } from '../../record/batch.ts'
import type { RejectId } from './reject-id.ts'

/** A local reject whose record goes through the stages again. */
export interface ReplayedReject {
  readonly id: RejectId
  /** Other records were made from the same source record, and may own the same dedup key. */
  readonly isPart: boolean
}

/**
 * The link between a replay (`sluice rejects replay`) and the commit. The runtime sends every
 * reject through the stages in a batch number of its own and registers the reject here; stages and
 * batches know nothing of it. When the last chunk of that number arrives, the commit learns which
 * reject to forget, and does so in the transaction that commits the records made from it: each
 * reject is replayed exactly once.
 *
 * A delivery that was opened with a replay differs in three ways: its rejects leave no mark in the
 * dedup index (a record that is rejected again would be a duplicate of its own mark), they inherit
 * `part` from the reject that was replayed, and no source progress is recorded.
 */
export class Replay {
  readonly #rejects = new Map<number, ReplayedReject>()
  #duplicates = 0

  /** Registers the reject whose record is in the batch with this number. */
  register(batchNumber: number, reject: ReplayedReject): void {
    this.#rejects.set(batchNumber, reject)
  }

  /** True if other records were made from the source record of the batch. */
  isPart(batch: Batch): boolean {
    return this.#find(batch)?.isPart ?? false
  }

  /**
   * Counts a written chunk. After the last chunk of a reject, returns that reject and whether to
   * forget it. A duplicate of a written record is done with. A part may only look like a duplicate
   * because a sibling has the same dedup key: then it was not written, and it is not forgotten.
   * @param duplicates duplicates in this chunk.
   */
  finish(batch: Batch, duplicates: number): { readonly id: RejectId; readonly isDone: boolean } | undefined {
    const reject = this.#find(batch)
    if (!reject) return undefined
    if (reject.isPart) this.#duplicates += duplicates
    if (batch.continues) return undefined
    const isDone = this.#duplicates === 0
    this.#duplicates = 0
    this.#rejects.delete(batch.number)
    return { id: reject.id, isDone }
  }

  /** The last, empty batch of a run has a number, but no reject. */
  #find({ number, end }: Batch): ReplayedReject | undefined {
    return end ? undefined : this.#rejects.get(number)
  }
}
