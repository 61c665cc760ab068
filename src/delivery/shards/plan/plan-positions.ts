import type { ReadPart, Source, SourcePart } from '../../../component.ts'
import type { PipelineSecrets } from '../../../observe/pipeline-secrets.ts'
import type { Json } from '../../../record/json/json.ts'
import type { PartitionRow } from '../../state/rows.ts'
import type { StateReader } from '../../state/state-reader.ts'
import type { BegunPartition, PartitionParts } from './plan-progress.ts'
import type { ShardPlan } from './shard-plan.ts'
import type { ShardResult } from '../shard.ts'

interface PlanPositionsOptions {
  readonly state: StateReader
  /** A position may hold a link with a key: it is stored sealed. */
  readonly secrets: PipelineSecrets
  readonly positionAfter: Source['positionAfter']
}

/** Source positions of a plan: those that are committed, and those to commit. */
export class PlanPositions {
  readonly #options: PlanPositionsOptions

  constructor(options: PlanPositionsOptions) {
    this.#options = options
  }

  /** The committed position of a source partition. */
  committed(partition: string): Json | undefined {
    const { state, secrets } = this.#options
    return secrets.unseal(state.partition(partition)?.position)
  }

  /**
   * What the commit of a result stores: rows of the source partitions that are then complete, and the
   * position at the end of each part, if others of its partition are in other shards.
   */
  after(
    { progress }: ShardPlan,
    { shard, ends, positions }: ShardResult,
  ): { readonly partitions: PartitionRow[]; readonly ends: (Json | null)[] } {
    const { secrets } = this.#options
    const read = (number: number) =>
      number === shard ? { parts: this.#partsOf(shard), ends } : this.#readShard(number)
    const complete = progress.completedBy(shard, read)
    return {
      partitions: [...this.#sealed(positions), ...complete.flatMap((partition) => this.rowsOf(partition))],
      ends: progress.reachesBeyond(shard) ? secrets.seal(ends.map((end) => end ?? null)) : [],
    }
  }

  /** The source partitions of which some shards are committed, and not all. */
  begun(plan: ShardPlan): BegunPartition[] {
    return [...plan.progress.begun((shard) => plan.isDone(shard), this.#readShard)]
  }

  /** The position after the committed parts of a source partition, if there is one. */
  rowsOf({ partition, parts }: PartitionParts): PartitionRow[] {
    const { positionAfter = lastEnd } = this.#options
    const position = positionAfter(parts)
    return position === undefined ? [] : this.#sealed([{ partition, position }])
  }

  #sealed(rows: readonly PartitionRow[]): PartitionRow[] {
    const { secrets } = this.#options
    return rows.map((row) => ({ ...row, position: secrets.seal(row.position) }))
  }

  readonly #readShard = (shard: number) => {
    const { state, secrets } = this.#options
    const ends = secrets.unseal(state.shardEnds(shard))
    return { parts: this.#partsOf(shard), ends }
  }

  #partsOf(shard: number): SourcePart[] {
    return this.#options.state.shardParts(shard)
  }
}

/** For a source without `positionAfter`. */
function lastEnd(parts: Iterable<ReadPart>): Json | undefined {
  let last: Json | undefined
  for (const { end } of parts) last = end
  return last
}
