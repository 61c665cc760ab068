import type { Events } from '../observe/bus/events.ts'
import type { CommitOptions } from './commit-options.ts'
import type { DedupIndex } from './dedup/dedup-index.ts'
import type { Publisher } from './outbox/publisher.ts'
import type { LocalRejects } from './rejects/local-rejects.ts'
import { remaining } from './rejects/reject-numbers.ts'
import { REJECTS } from './state/rows.ts'
import type { PartitionRow } from './state/rows.ts'
import type { StateReader } from './state/state-reader.ts'

type StateOpen = Events['sluice:state:open']

interface ContentParts {
  readonly index: DedupIndex | undefined
  readonly localRejects: LocalRejects
}

/** What a state holds, for messages. */
export function contentOf(
  { index, localRejects }: ContentParts,
  publisher: Publisher,
): Pick<StateOpen, 'outboxes' | 'dedup' | 'deadLetters'> {
  const { rows, maxBytes } = localRejects
  return {
    outboxes: publisher.outboxes(),
    dedup: index && { keys: index.count, bytes: index.bytes, maxBytes: index.maxBytes },
    deadLetters: {
      records: rows.reduce((sum, row) => sum + remaining(row), 0),
      bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
      maxBytes,
    },
  }
}

interface StateParts extends ContentParts {
  readonly state: StateReader
  readonly options: CommitOptions
}

/** The state is open. */
export function publishState(parts: StateParts, publisher: Publisher): void {
  const { state, options } = parts
  const { events } = options
  if (events?.wants('sluice:state:open') !== true) return
  const { tally, rejectCounts } = state
  const { copied } = rejectCounts
  events.publish('sluice:state:open', {
    totals: { ...tally, sinks: { ...tally.sinks, ...(copied > 0 && { [REJECTS]: copied }) } },
    committedAt: state.committedAt,
    partitions: state
      .partitions()
      .filter(({ partition }) => options.reads?.(partition) ?? true)
      .map((row) => committedPartition(row, options)),
    ...contentOf(parts, publisher),
  })
}

/** A source partition as messages have it. */
export function committedPartition(
  row: PartitionRow,
  { readUpTo }: Pick<CommitOptions, 'readUpTo'>,
): StateOpen['partitions'][number] {
  return { partition: row.partition, readUpTo: readUpTo?.(row), lowWatermark: row.lowWatermark }
}

/** Budgets of the outboxes in bytes, by the names of the sinks. */
export function budgetsOf({
  sinks,
  rejects = sinks[0],
}: Pick<CommitOptions, 'sinks' | 'rejects'>): Map<string, number> {
  // Without a `rejects` sink, another sink publishes copies of rejects that an earlier configuration
  // committed.
  const all = [...sinks, ...(rejects ? [{ ...rejects, name: REJECTS }] : [])]
  return new Map(all.map(({ name, outbox }) => [name, outbox.maxBytes]))
}
