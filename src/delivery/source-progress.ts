import type { Batch } from '../record/batch.ts'
import type { PartitionRow } from './state/rows.ts'

/**
 * How far each source partition was read. Positions and low watermarks of the open epoch are
 * collected here until the epoch is committed. The low watermarks decide which dedup keys can be
 * deleted.
 */
export class SourceProgress {
  /** Committed low watermarks: the oldest event time that each partition can still yield. */
  readonly #lowWatermarks = new Map<string, number>()
  /** Partitions that this run has read from. */
  readonly #read = new Set<string>()
  /** Rows of the open epoch. */
  readonly #open = new Map<string, PartitionRow>()

  constructor(committed: readonly PartitionRow[]) {
    this.#keepWatermarks(committed)
  }

  /** Adds the progress of a batch to the open epoch. */
  add({ partition, position, lowWatermark, tallies }: Batch): void {
    if (tallies.read > 0 || position !== undefined) this.#read.add(partition)
    // A low watermark without a position is not reliable: the next run resumes at the position
    // before it.
    if (position === undefined) return
    this.#open.set(partition, {
      ...this.#open.get(partition),
      partition,
      position,
      ...(lowWatermark !== undefined && { lowWatermark }),
    })
  }

  /** The rows to commit with the epoch, which ends. */
  endEpoch(): PartitionRow[] {
    const rows = [...this.#open.values()]
    this.#open.clear()
    this.#keepWatermarks(rows)
    return rows
  }

  /**
   * The oldest event time that any partition can still yield, as of the last ended epoch.
   * `-Infinity` (delete nothing) if a partition of this run reports no low watermark, or no
   * partition ever did.
   */
  oldestEventTime(): number {
    for (const partition of this.#read) if (!this.#lowWatermarks.has(partition)) return -Infinity
    return this.#lowWatermarks.size === 0
      ? -Infinity
      : [...this.#lowWatermarks.values()].reduce((a, b) => Math.min(a, b))
  }

  #keepWatermarks(rows: readonly PartitionRow[]): void {
    for (const { partition, lowWatermark } of rows) {
      if (lowWatermark !== undefined) this.#lowWatermarks.set(partition, lowWatermark)
    }
  }
}
