import type { Batch } from '../../record/batch.ts'
import type { CommitOptions } from '../commit-options.ts'
import type { DedupResult } from '../dedup/deduplicate.ts'
import type { OutboxEpoch } from '../outbox/outbox.ts'
import type { LocalRejects } from './local-rejects.ts'
import { formatRejectId } from './reject-id.ts'
import { rejectLine } from './reject-line.ts'

/** Where the lines go: a part of `LocalRejects`, and what stands for it in an executor. */
type Lines = Pick<LocalRejects, 'count' | 'append' | 'forget'>
type RejectWriterOptions = Pick<CommitOptions, 'rejects' | 'unparsed' | 'replay' | 'note'>

/**
 * Writes the rejects of each batch to the open epoch, with a copy for a `rejects` sink, and forgets
 * rejects that were replayed.
 */
export class RejectWriter {
  readonly #local: Lines
  readonly #options: RejectWriterOptions
  readonly #digestKey: Buffer
  /** The previous batch was a chunk of a split batch, and not the last one. */
  #isAfterChunk = false

  /** `digestKey` is a secret of the state. */
  constructor(local: Lines, digestKey: Buffer, options: RejectWriterOptions) {
    this.#digestKey = digestKey
    this.#local = local
    this.#options = options
  }

  async write(
    { number: epoch, files }: { readonly number: number; readonly files: Pick<OutboxEpoch, 'appendReject'> },
    batch: Batch,
    { rejects, duplicate }: DedupResult,
  ): Promise<void> {
    const { rejects: sink, unparsed = 'digest', replay } = this.#options
    const isChunk = batch.continues || this.#isAfterChunk
    this.#isAfterChunk = batch.continues
    const isPart = rejects.length > 0 && replay?.isPart(batch) === true
    for (const reject of rejects) {
      const id = { epoch, at: this.#local.count }
      const line = rejectLine(batch, reject, { id, digestKey: this.#digestKey, unparsed, isChunk, isPart })
      await this.#local.append(epoch, line)
      if (sink) await files.appendReject(batch, reject.record, line)
    }
    this.#forgetReplayed(batch, duplicate)
  }

  #forgetReplayed(batch: Batch, duplicates: number): void {
    const { replay, note } = this.#options
    const finished = replay?.finish(batch, duplicates)
    if (!finished) return
    if (finished.isDone) this.#local.forget(finished.id)
    else {
      note('replay.kept', { id: formatRejectId(finished.id) })
    }
  }
}
