import type { Events } from '../bus/events.ts'
import type { Labels } from './registry.ts'
import type { CounterName } from './table.ts'

type ReadChunk = Pick<Events['sluice:source:chunk'], 'records' | 'bytes' | 'milliseconds'>
type PassedBatch = Events['sluice:shard:work']['stages'][number]
type Delivered = Events['sluice:shard:work']['delivery']

/** The stages that are no transforms. */
const SOURCE = 'source'
const DELIVERY = 'delivery'

/**
 * What source partitions and stages have done. Their messages come with each batch, so they are summed up
 * here, and become counters when somebody asks: a counter of the library costs ten times as much.
 */
export class WorkSums {
  readonly #partitions = new Map<string, { records: number; bytes: number }>()
  readonly #stages = new Map<string, StageSums>()

  /** @param partition its label */
  chunkRead(partition: string, { records, bytes, milliseconds = 0 }: ReadChunk): void {
    const sums = this.#partitions.get(partition)
    if (sums === undefined) this.#partitions.set(partition, { records, bytes })
    else {
      sums.records += records
      sums.bytes += bytes
    }
    const source = this.#stageOf(SOURCE)
    source.recordsOut += records
    source.bytesOut += bytes
    source.milliseconds += milliseconds
  }

  batchPassed(batch: PassedBatch): void {
    const sums = this.#stageOf(batch.stage)
    for (const [, member] of STAGE_COUNTERS) sums[member] += batch[member]
    sums.milliseconds += batch.milliseconds
  }

  delivered({ records, written, milliseconds }: Delivered): void {
    const sums = this.#stageOf(DELIVERY)
    sums.recordsIn += records
    sums.recordsOut += written
    sums.milliseconds += milliseconds
  }

  write(add: (name: CounterName, labels: Labels, value: number) => void): void {
    for (const [partition, { records, bytes }] of this.#partitions) {
      add('sluice_source_records_total', { partition }, records)
      add('sluice_source_bytes_total', { partition }, bytes)
    }
    for (const [stage, sums] of this.#stages) {
      for (const [name, member] of STAGE_COUNTERS) if (!NOT_OF[stage]?.has(member)) add(name, { stage }, sums[member])
      add('sluice_stage_seconds_total', { stage }, sums.milliseconds / 1000)
    }
  }

  #stageOf(stage: string): StageSums {
    const known = this.#stages.get(stage)
    if (known) return known
    const made = { ...NOTHING }
    this.#stages.set(stage, made)
    return made
  }
}

type StageSums = { -readonly [Member in keyof typeof NOTHING]: number }

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

const STAGE_COUNTERS = [
  ['sluice_stage_records_in_total', 'recordsIn'],
  ['sluice_stage_records_out_total', 'recordsOut'],
  ['sluice_stage_records_added_total', 'added'],
  ['sluice_stage_records_dropped_total', 'dropped'],
  ['sluice_stage_records_rejected_total', 'rejected'],
  ['sluice_stage_bytes_in_total', 'bytesIn'],
  ['sluice_stage_bytes_out_total', 'bytesOut'],
] as const

/** What is not counted of the stages that are no transforms. */
const NOT_OF: { readonly [stage: string]: ReadonlySet<string> } = {
  [SOURCE]: new Set(['recordsIn', 'added', 'dropped', 'rejected', 'bytesIn']),
  [DELIVERY]: new Set(['added', 'dropped', 'rejected', 'bytesIn', 'bytesOut']),
}

/** The counters that `write` writes. */
export const WORK_COUNTERS = [
  'sluice_source_records_total',
  'sluice_source_bytes_total',
  'sluice_stage_seconds_total',
  ...STAGE_COUNTERS.map(([name]) => name),
] as const
