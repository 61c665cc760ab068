import { SluiceError } from '../errors.ts'
import type { Batch, End } from '../record/batch.ts'
import type { DedupResult } from './dedup/deduplicate.ts'
import type { Share } from './routes/router.ts'
import { sinkNameOf } from './state/rows.ts'
import type { ObjectRow } from './state/rows.ts'
import { addTally, count, emptyTally, sum } from './tally.ts'
import type { Tally } from './tally.ts'

/**
 * Double-entry accounting of records: every record that was read or added must have exactly one
 * outcome. Batches of a source partition must arrive without gaps. The chunks of a split batch
 * share its number and must be consecutive.
 */
export class Ledger {
  readonly #next = new Map<string, number>()
  /** The split batch whose next chunk is due. */
  #open: { partition: string; number: number } | undefined
  #tally = emptyTally()

  /** True between the chunks of a batch that was split. */
  get isInside(): boolean {
    return this.#open !== undefined
  }

  /**
   * Checks the order of batches. The batch with the source's end has no number.
   * @throws SluiceError LEDGER_MISMATCH if a batch is missing, repeated or between the chunks of
   *   another batch.
   */
  enter({ partition, number, continues, end }: Batch): void {
    if (end && !this.#open) return this.#checkEnd(end)
    const expected = this.#open?.number ?? this.#next.get(partition) ?? 0
    if (number !== expected || (this.#open && this.#open.partition !== partition)) {
      throw new SluiceError(
        'LEDGER_MISMATCH',
        `batch ${number} of partition ${JSON.stringify(partition)} arrived, but ${expected} of ${JSON.stringify(this.#open?.partition ?? partition)} was due: a stage lost or repeated a batch`,
      )
    }
    this.#open = continues ? { partition, number } : undefined
    if (!continues) this.#next.set(partition, number + 1)
  }

  /** The last batches of a partition have no successor that shows the gap. */
  #checkEnd({ batches = new Map() }: End): void {
    for (const [partition, sent] of batches) {
      const entered = this.#next.get(partition) ?? 0
      if (entered === sent) continue
      throw new SluiceError(
        'LEDGER_MISMATCH',
        `the source has ended after ${sent} batches of partition ${JSON.stringify(partition)}, but ${entered} arrived: a stage lost a batch`,
      )
    }
  }

  /** @param shares the written records by sink */
  add(batch: Batch, result: DedupResult, shares: readonly Share[]): void {
    const tally = this.#tally
    tally.read += batch.tallies.read
    tally.added += batch.tallies.added
    tally.written += result.written.length
    for (const { sink, records } of shares) count(tally.sinks, sink, records.length)
    tally.duplicate += result.duplicate
    tally.duplicateDiffers += result.duplicateDiffers
    tally.rejected += result.rejects.length
    for (const [reason, records] of batch.tallies.dropped) count(tally.dropped, reason, records)
    for (const { code } of result.rejects) count(tally.rejects, code)
    for (const [delay, records] of result.late) count(tally.late, delay, records)
    if (!this.isInside) checkTally(tally)
  }

  /**
   * Ends the epoch and returns its tally. @throws SluiceError LEDGER_MISMATCH if records are
   * unaccounted for.
   */
  close(): Tally {
    checkTally(this.#tally)
    const tally = addTally(this.#tally, emptyTally())
    this.#tally = emptyTally()
    return tally
  }
}

/** @throws SluiceError LEDGER_MISMATCH if records are unaccounted for */
export function checkTally(tally: Tally): void {
  const { read, added, written, duplicate, rejected } = tally
  const dropped = sum(tally.dropped)
  if (read + added === written + dropped + duplicate + rejected) return
  throw new SluiceError(
    'LEDGER_MISMATCH',
    `some records are unaccounted for: ${read} read + ${added} added is not ${written} written + ${dropped} dropped + ${duplicate} duplicate + ${rejected} rejected; nothing of this epoch is committed`,
  )
}

/**
 * The books of each sink: what it gets must be in its objects. Without those of the `rejects` sink.
 * @throws SluiceError LEDGER_MISMATCH
 */
export function checkSinks({ sinks }: Tally, objects: readonly SinkRecords[]): void {
  const found = countBySink(objects)
  for (const name of new Set([...Object.keys(sinks), ...found.keys()])) {
    const [wanted, got] = [sinks[name] ?? 0, found.get(name) ?? 0]
    if (wanted === got) continue
    throw new SluiceError(
      'LEDGER_MISMATCH',
      `the sink ${name} gets ${wanted} records, and its objects have ${got}; nothing of this epoch is committed`,
    )
  }
}

type SinkRecords = Pick<ObjectRow, 'role' | 'sink' | 'records'>

/** The records in objects by the name of their sink. Without those of the `rejects` sink. */
export function countBySink(objects: readonly SinkRecords[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const row of objects) {
    if (row.role === 'rejects') continue
    const name = sinkNameOf(row)
    found.set(name, (found.get(name) ?? 0) + row.records)
  }
  return found
}
