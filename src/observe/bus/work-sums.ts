import type { Events, OfRun } from './events.ts'

type Work = Omit<Events['sluice:run:work'], keyof OfRun>
type Source = Mutable<Work['sources'][number]>
type Stage = Mutable<Work['stages'][number]>
type ReadWork = Pick<Events['sluice:source:chunk'], 'records' | 'bytes' | 'milliseconds' | 'readFrom' | 'readUpTo'>
type Mutable<Row> = { -readonly [Name in keyof Row]: Row[Name] }

/** Sums of what was read of source partitions, passed transforms and was delivered. */
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

  /** @param nameOf the name under which a source partition is counted */
  add({ sources, stages, delivery }: Work, nameOf = (partition: string) => partition): void {
    for (const source of sources) this.read(nameOf(source.partition), source)
    for (const stage of stages) this.passed(stage)
    this.delivered(delivery)
  }

  /** Adds a chunk, or sums of several, of the partition under this name. */
  read(partition: string, { records, bytes, milliseconds = 0, readFrom, readUpTo }: ReadWork): void {
    const sum = this.#sources.get(partition) ?? { partition, records: 0, bytes: 0, milliseconds: 0 }
    sum.records += records
    sum.bytes += bytes
    sum.milliseconds += milliseconds
    if (readUpTo !== undefined) {
      sum.readFrom ??= readFrom
      sum.readUpTo = readUpTo
    }
    this.#sources.set(partition, sum)
  }

  passed(batch: Readonly<Stage>): void {
    const { stage, position } = batch
    const sum = this.#stages.get(stage) ?? { stage, position, ...NOTHING }
    sum.recordsIn += batch.recordsIn
    sum.recordsOut += batch.recordsOut
    sum.added += batch.added
    sum.dropped += batch.dropped
    sum.rejected += batch.rejected
    sum.bytesIn += batch.bytesIn
    sum.bytesOut += batch.bytesOut
    sum.milliseconds += batch.milliseconds
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
