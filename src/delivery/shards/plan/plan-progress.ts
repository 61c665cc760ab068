import type { ReadPart, SourcePart } from '../../../component.ts'
import type { Json } from '../../../record/json/json.ts'
import type { ShardRow } from '../../state/rows.ts'

/** The parts of a source partition, in reading order: one shard is read at a time, while they are iterated. */
export interface PartitionParts {
  readonly partition: string
  readonly parts: Iterable<ReadPart>
}

/** The committed parts before the first one that is missing. */
export interface BegunPartition extends PartitionParts {
  /** Number of committed shards after that. */
  readonly later: number
}

/** Reads a shard of the plan. */
type ReadShard = (number: number) => {
  readonly parts: readonly SourcePart[]
  readonly ends: readonly (Json | null | undefined)[]
}

/**
 * Which source partitions of a plan are complete. The parts of a partition are consecutive, so only the
 * first and the last partition of a shard can reach beyond it.
 */
export class PlanProgress {
  readonly #first: string[] = []
  readonly #last: string[] = []
  /** Of the partitions in several shards: how many of these are not done. */
  readonly #missing = new Map<string, number>()

  constructor(rows: Iterable<ShardRow>) {
    const shards = new Map<string, number>()
    for (const {
      partitions: [first, last],
      status,
    } of rows) {
      this.#first.push(first)
      this.#last.push(last)
      for (const partition of new Set([first, last])) {
        shards.set(partition, (shards.get(partition) ?? 0) + 1)
        this.#missing.set(partition, (this.#missing.get(partition) ?? 0) + (status === 'done' ? 0 : 1))
      }
    }
    for (const [partition, count] of shards) if (count === 1) this.#missing.delete(partition)
  }

  /** True if a partition of the shard has parts in other shards. */
  reachesBeyond(shard: number): boolean {
    return this.#missing.has(this.#first[shard]) || this.#missing.has(this.#last[shard])
  }

  /** The partitions that are complete when this shard is committed. */
  completedBy(shard: number, read: ReadShard): PartitionParts[] {
    const complete: PartitionParts[] = []
    for (const group of groupParts(read(shard))) {
      const missing = this.#missing.get(group.partition)
      if (missing === undefined) complete.push(group)
      else if (missing === 1) complete.push(this.#gather(group.partition, this.#rangeOf(shard, group.partition), read))
    }
    return complete
  }

  /** Call this when a shard is committed. */
  done(shard: number): void {
    for (const partition of new Set([this.#first[shard], this.#last[shard]])) {
      const missing = this.#missing.get(partition)
      if (missing !== undefined) this.#missing.set(partition, missing - 1)
    }
  }

  /** The partitions in several shards of which some are done, and not all. */
  *begun(isDone: (shard: number) => boolean, read: ReadShard): Generator<BegunPartition, void> {
    for (const [from, partition] of this.#last.entries()) {
      const isFirst = from === 0 || this.#last[from - 1] !== partition
      if (!isFirst || (this.#missing.get(partition) ?? 0) === 0) continue
      const { to } = this.#rangeOf(from, partition)
      let end = from
      while (end <= to && isDone(end)) end++
      let later = 0
      for (let shard = end; shard <= to; shard++) if (isDone(shard)) later++
      if (end > from || later > 0) yield { ...this.#gather(partition, { from, to: end - 1 }, read), later }
    }
  }

  /** The shards that have parts of a partition, one of which is `shard`. */
  #rangeOf(shard: number, partition: string): { readonly from: number; readonly to: number } {
    let from = shard
    let to = shard
    while (from > 0 && this.#last[from - 1] === partition) from--
    while (this.#first[to + 1] === partition) to++
    return { from, to }
  }

  #gather(partition: string, range: { readonly from: number; readonly to: number }, read: ReadShard): PartitionParts {
    return { partition, parts: { [Symbol.iterator]: () => partsIn(partition, range, read) } }
  }
}

function* partsIn(
  partition: string,
  { from, to }: { readonly from: number; readonly to: number },
  read: ReadShard,
): Generator<ReadPart, void> {
  for (let shard = from; shard <= to; shard++) {
    for (const group of groupParts(read(shard))) if (group.partition === partition) yield* group.parts
  }
}

/** The parts of a shard by partition, in their order. */
function groupParts({ parts, ends }: ReturnType<ReadShard>): (PartitionParts & { readonly parts: ReadPart[] })[] {
  const groups: (PartitionParts & { readonly parts: ReadPart[] })[] = []
  for (const [at, part] of parts.entries()) {
    let group = groups.at(-1)
    if (group?.partition !== part.partition) {
      group = { partition: part.partition, parts: [] }
      groups.push(group)
    }
    group.parts.push({ part, end: ends[at] ?? undefined })
  }
  return groups
}
