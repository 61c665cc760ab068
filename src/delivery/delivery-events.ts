import type { CommitOptions } from './commit-options.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Batch } from '../record/batch.ts'
import type { DedupResult } from './dedup/deduplicate.ts'
import { REJECTS, sinkNameOf } from './state/rows.ts'
import type { ObjectRow, PartitionRow } from './state/rows.ts'
import type { ShardDone } from './state/state-changes.ts'
import { committedPartition } from './state-content.ts'
import type { contentOf } from './state-content.ts'
import type { Tally } from './tally.ts'

/** Observes the delivery of a batch: call the result when the batch is written. */
export function observeDelivery(events: RunEvents | undefined, batch: Batch): (result: DedupResult) => void {
  if (!(events?.work.isWanted === true || events?.wants('sluice:delivery:batch') === true))
    return (result) => publishOutcomes(events, result)
  const started = performance.now()
  const { partition, live } = batch
  return (result) => {
    publishOutcomes(events, result)
    if (batch.count === 0 && result.rejects.length === 0) return
    const work = { records: live, written: result.written.length, milliseconds: performance.now() - started }
    if (events.work.isWanted) events.work.sums.delivered(work)
    if (!events.wants('sluice:delivery:batch')) return
    events.publish('sluice:delivery:batch', {
      ...work,
      partition,
      duplicate: result.duplicate,
      dropped: [...batch.tallies.dropped.values()].reduce((sum, count) => sum + count, 0),
      rejected: result.rejects.length,
    })
  }
}

function publishOutcomes(events: RunEvents | undefined, { rejects, late }: DedupResult): void {
  if (events === undefined) return
  if (rejects.length > 0 && events.wants('sluice:delivery:reject')) {
    const counts = new Map<string, { readonly stage: string; readonly code: string; records: number }>()
    for (const { stage, code } of rejects) {
      const name = `${code} ${stage}`
      const count = counts.get(name) ?? { stage, code, records: 0 }
      count.records++
      counts.set(name, count)
    }
    for (const count of counts.values()) events.publish('sluice:delivery:reject', count)
  }
  for (const [delay, records] of late) events.publish('sluice:delivery:late', { delay, records })
}

interface Committed {
  readonly number: number
  readonly objects: readonly Pick<ObjectRow, 'role' | 'sink' | 'records' | 'bytes'>[]
  readonly partitions: readonly PartitionRow[]
  readonly tally: Tally
  readonly shard?: ShardDone | undefined
  readonly options: Pick<CommitOptions, 'readUpTo'>
  readonly committedAt: number
  readonly content: ReturnType<typeof contentOf>
  readonly milliseconds: number
}

/** An epoch is committed. */
export function publishCommit(
  events: RunEvents,
  { number, objects, partitions, tally, shard, ...more }: Committed,
): void {
  const sinks: { [name: string]: { records: number; objects: number; bytes: number } } = Object.create(null)
  for (const [name, records] of Object.entries(tally.sinks)) sinks[name] = { records, objects: 0, bytes: 0 }
  for (const row of objects) {
    const isReject = row.role === 'rejects'
    const sink = (sinks[isReject ? REJECTS : sinkNameOf(row)] ??= { records: 0, objects: 0, bytes: 0 })
    if (isReject) sink.records += row.records
    sink.objects++
    sink.bytes += row.bytes
  }
  const { options, committedAt, content, milliseconds } = more
  events.work.flush()
  events.publish('sluice:epoch:commit', {
    epoch: number,
    shard: shard?.number,
    ...tally,
    sinks,
    partitions: partitions.map((row) => committedPartition(row, options)),
    committedAt,
    ...content,
    milliseconds,
  })
}
