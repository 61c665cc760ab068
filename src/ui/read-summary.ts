import { remaining } from '../delivery/rejects/reject-numbers.ts'
import { sinkNameOf } from '../delivery/state/rows.ts'
import type { PartitionRow } from '../delivery/state/rows.ts'
import { hasState, readState } from '../delivery/state/state-reader.ts'
import type { StateReader } from '../delivery/state/state-reader.ts'
import { asSluiceError } from '../errors.ts'
import { describePosition } from '../inspect/describe-position.ts'
import type { PipelineDetail, PipelineRow } from './api.ts'

type Summary = Pick<PipelineRow, 'committedAt' | 'ledger' | 'rejects' | 'waiting'> &
  Pick<PipelineDetail, 'partitions' | 'objects' | 'epochs'>

/** What the state of a pipeline says; undefined if it has none, or why it cannot be read. */
export async function readSummary(folder: string): Promise<Summary | { readonly trouble: string } | undefined> {
  if (!hasState(folder)) return undefined
  try {
    const { rows, ...summary } = await readState(folder, summarize)
    return { ...summary, partitions: await Promise.all(rows.map(describe)) }
  } catch (error) {
    const { code, message } = asSluiceError(error, 'INTERNAL', 'the state cannot be read')
    return code === 'STATE_NOT_FOUND' ? undefined : { trouble: message }
  }
}

function summarize(state: StateReader) {
  const { read, added, written, duplicate, rejected, dropped } = state.tally
  const waiting = state.objects()
  const published = state.history(Math.max(0, state.nextEpoch - SHOWN)).slice(-SHOWN)
  return {
    committedAt: state.committedAt,
    ledger: {
      read,
      added,
      written,
      duplicate,
      rejected,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
    },
    rejects: state.localRejects().reduce((sum, row) => sum + remaining(row), 0),
    waiting: { objects: waiting.length, bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0) },
    objects: [...published, ...waiting]
      .toReversed()
      .slice(0, SHOWN)
      .map((row) => ({
        sink: sinkNameOf(row),
        key: row.key,
        epoch: row.epoch,
        records: row.records,
        bytes: row.bytes,
        ...('publishedAt' in row && typeof row.publishedAt === 'number' && { publishedAt: row.publishedAt }),
      })),
    epochs: state.nextEpoch - 1,
    rows: state.partitions(),
  }
}

/** Objects, and epochs whose objects are looked at. */
const SHOWN = 100

async function describe({ partition, position }: PartitionRow): Promise<PipelineDetail['partitions'][number]> {
  const { readUpTo, detail } = await describePosition(partition, position)
  return { partition, ...(readUpTo !== undefined && { readUpToAt: readUpTo }), ...(detail && { detail }) }
}
