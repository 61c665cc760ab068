import type { WorkSums } from '../bus/work-sums.ts'
import type { Labels } from './registry.ts'
import type { CounterName } from './table.ts'

/**
 * Makes counters of what source partitions, transforms and the delivery have done. Their messages come
 * with each batch, so they are summed up, and become counters when somebody asks: a counter of the library
 * costs ten times as much.
 */
export function writeWork(
  { sources, stages, delivery }: WorkSums['sums'],
  add: (name: CounterName, labels: Labels, value: number) => void,
): void {
  const source = { stage: 'source' }
  for (const { partition, records, bytes, milliseconds } of sources) {
    add('sluice_source_records_total', { partition }, records)
    add('sluice_source_bytes_total', { partition }, bytes)
    add('sluice_stage_records_out_total', source, records)
    add('sluice_stage_bytes_out_total', source, bytes)
    add('sluice_stage_seconds_total', source, milliseconds / 1000)
  }
  for (const { stage, ...sums } of stages) {
    for (const [name, member] of STAGE_COUNTERS) add(name, { stage }, sums[member])
    add('sluice_stage_seconds_total', { stage }, sums.milliseconds / 1000)
  }
  const end = { stage: 'delivery' }
  add('sluice_stage_records_in_total', end, delivery.records)
  add('sluice_stage_records_out_total', end, delivery.written)
  add('sluice_stage_seconds_total', end, delivery.milliseconds / 1000)
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

/** The counters that `writeWork` writes. */
export const WORK_COUNTERS = [
  'sluice_source_records_total',
  'sluice_source_bytes_total',
  'sluice_stage_seconds_total',
  ...STAGE_COUNTERS.map(([name]) => name),
] as const
