import type { ShardResult } from '../delivery/shards/shard.ts'
import type { Events } from '../observe/bus/events.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'

type Work = NonNullable<ShardResult['work']>
type Source = Mutable<Work['sources'][number]>
type Stage = Mutable<Work['stages'][number]>
type Mutable<Row> = { -readonly [Name in keyof Row]: Row[Name] }

/** Sums up what an execution publishes in its thread, where nobody else listens. Call `end` in any case. */
export function sumWork({ run }: RunEvents): { readonly work: () => Work; readonly end: () => void } {
  const sources = new Map<string, Source>()
  const stages = new Map<string, Stage>()
  const delivery = { records: 0, written: 0, milliseconds: 0 }
  const stops = [
    listen('sluice:source:chunk', { run }, (chunk) => addChunk(sources, chunk)),
    listen('sluice:stage:batch', { run }, (batch) => addBatch(stages, batch)),
    listen('sluice:delivery:batch', { run }, ({ records, written, milliseconds }) => {
      delivery.records += records
      delivery.written += written
      delivery.milliseconds += milliseconds
    }),
  ]
  return {
    work: () => ({
      sources: [...sources.values()],
      stages: [...stages.values()].toSorted((a, b) => a.position - b.position),
      delivery,
    }),
    end: () => {
      for (const stop of stops) stop()
    },
  }
}

function addChunk(
  sources: Map<string, Source>,
  { partition, records, bytes, milliseconds = 0 }: Events['sluice:source:chunk'],
): void {
  const sum = sources.get(partition) ?? { partition, records: 0, bytes: 0, milliseconds: 0 }
  sum.records += records
  sum.bytes += bytes
  sum.milliseconds += milliseconds
  sources.set(partition, sum)
}

function addBatch(stages: Map<string, Stage>, batch: Events['sluice:stage:batch']): void {
  const { stage, position } = batch
  const sum = stages.get(stage) ?? { stage, position, ...NOTHING }
  for (const name of COUNTS) sum[name] += batch[name]
  stages.set(stage, sum)
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
