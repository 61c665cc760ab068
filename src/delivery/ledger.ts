import { SluiceError } from '../errors.ts'
import type { Batch } from '../record/batch.ts'
import type { DedupResult } from './dedup/deduplicate.ts'
import { addTally, count, emptyTally, sum } from './tally.ts'
import type { Tally } from './tally.ts'

/**
 * Double entry for records: what came in at the source's door must have gone out under exactly one name. Batches of a partition must
 * come without gaps; the chunks of a batch that was split have its number and come one behind the other.
 */
export class Ledger {
  readonly #next = new Map<string, number>()
  /** The batch of which chunks are still to come. */
  #open: { partition: string; number: number } | undefined
  #tally = emptyTally()

  /** True between the chunks of a batch that was split. */
  get isInside(): boolean {
    return this.#open !== undefined
  }

  /** The batch with the source's end has no number of its own. @throws SluiceError LEDGER_MISMATCH for a batch that is missing, comes twice or comes between another's chunks. */
  enter({ partition, number, continues, end }: Batch): void {
    if (end && !this.#open) return
    const expected = this.#open?.number ?? this.#next.get(partition) ?? 0
    if (number !== expected || (this.#open && this.#open.partition !== partition)) {
      throw new SluiceError(
        'LEDGER_MISMATCH',
        `batch ${number} of partition ${JSON.stringify(partition)} came where ${expected} of ${JSON.stringify(this.#open?.partition ?? partition)} was due: a stage lost or repeated one`,
      )
    }
    this.#open = continues ? { partition, number } : undefined
    if (!continues) this.#next.set(partition, number + 1)
  }

  add(batch: Batch, result: DedupResult): void {
    const tally = this.#tally
    tally.read += batch.tallies.read
    tally.added += batch.tallies.added
    tally.written += result.written.length
    tally.duplicate += result.duplicate
    tally.duplicateDiffers += result.duplicateDiffers
    tally.rejected += result.rejects.length
    for (const [reason, records] of batch.tallies.dropped) count(tally.dropped, reason, records)
    for (const { code } of result.rejects) count(tally.rejects, code)
    for (const [delay, records] of result.late) count(tally.late, delay, records)
    if (!this.isInside) check(tally)
  }

  /** What the epoch did; another one begins. */
  close(): Tally {
    check(this.#tally)
    const tally = addTally(this.#tally, emptyTally())
    this.#tally = emptyTally()
    return tally
  }
}

function check(tally: Tally): void {
  const { read, added, written, duplicate, rejected } = tally
  const dropped = sum(tally.dropped)
  if (read + added === written + dropped + duplicate + rejected) return
  throw new SluiceError(
    'LEDGER_MISMATCH',
    `${read} read and ${added} added are not ${written} written, ${dropped} dropped, ${duplicate} duplicate and ${rejected} rejected; nothing of this epoch is committed`,
  )
}
