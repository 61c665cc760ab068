import type { Events, OfRun } from './events.ts'

type Work = Omit<Events['sluice:shard:work'], keyof OfRun | 'shard'>
type Source = Mutable<Work['sources'][number]>
type Stage = Mutable<Work['stages'][number]>
type Mutable<Row> = { -readonly [Name in keyof Row]: Row[Name] }

/** Sums of what source partitions, transforms and the delivery have published of each chunk and batch. */
export class WorkSums {
  readonly #sources = new Map<string, Source>()
  readonly #stages = new Map<string, Stage>()
  readonly #delivery = { records: 0, written: 0, milliseconds: 0 }

  /** The sums so far; transforms in the order of the pipeline file. */
  get sums(): Work {
    return {
      sources: [...this.#sources.values()],
      stages: [...this.#stages.values()].toSorted((a, b) => a.position - b.position),
      delivery: this.#delivery,
    }
  }

  chunkRead({
    partition,
    records,
    bytes,
    milliseconds = 0,
  }: Omit<Events['sluice:source:chunk'], keyof OfRun | 'unfinished'>): void {
    const sum = this.#sources.get(partition) ?? { partition, records: 0, bytes: 0, milliseconds: 0 }
    sum.records += records
    sum.bytes += bytes
    sum.milliseconds += milliseconds
    this.#sources.set(partition, sum)
  }

  batchPassed(batch: Stage): void {
    const { stage, position } = batch
    const sum = this.#stages.get(stage) ?? { stage, position, ...NOTHING }
    for (const name of COUNTS) sum[name] += batch[name]
    this.#stages.set(stage, sum)
  }

  delivered({ records, written, milliseconds }: Work['delivery']): void {
    this.#delivery.records += records
    this.#delivery.written += written
    this.#delivery.milliseconds += milliseconds
  }
}

const NOTHING = {
  recordsIn: 0,
  recordsOut: 0,
  added: 0,
  dropped: 0,
  rejected: 0,
  bytesIn: 0,
  bytesOut: 0,
  milliseconds: 0,
}
const COUNTS = [
  'recordsIn',
  'recordsOut',
  'added',
  'dropped',
  'rejected',
  'bytesIn',
  'bytesOut',
  'milliseconds',
] as const
