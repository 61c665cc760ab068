import { sinkNameOf } from '../delivery/state/rows.ts'
import type { HistoryRow, ObjectRow, PartitionRow } from '../delivery/state/rows.ts'
import { readState } from '../delivery/state/state-reader.ts'
import type { StateReader } from '../delivery/state/state-reader.ts'
import { describePosition } from '../inspect/describe-position.ts'
import type { PipelineDetail } from './api.ts'

/** What the screen of a pipeline shows of its state, beside the counts of the overview. */
export type StateDetail = Pick<PipelineDetail, 'partitions' | 'objects' | 'epochs' | 'lastEpochs'>

/** @throws SluiceError as of `readState` */
export async function readDetail(folder: string): Promise<StateDetail> {
  const { rows, ...detail } = await readState(folder, (state) => ({
    ...lastObjects(state),
    epochs: state.nextEpoch - 1,
    rows: state.partitions(),
  }))
  return { ...detail, partitions: await Promise.all(rows.map(describe)) }
}

type Row = ObjectRow | HistoryRow

/** Objects that are shown. */
const MOST_OBJECTS = 100
/** Epochs that are shown. */
const MOST_EPOCHS = 20
/** Rows that are read. An epoch may have thousands of objects; the last one of those read is shown only if it is whole. */
const MOST_ROWS = 5000

function lastObjects(state: StateReader): Pick<StateDetail, 'objects' | 'lastEpochs'> {
  const objects: Row[] = []
  const epochs: Row[][] = []
  let read = 0
  for (const row of latestFirst(state.objectRows({ latestFirst: true }), state.historyRows({ latestFirst: true }))) {
    if (objects.length < MOST_OBJECTS) objects.push(row)
    const last = epochs.at(-1)
    if (last?.[0]?.epoch === row.epoch) last.push(row)
    else if (epochs.length < MOST_EPOCHS) epochs.push([row])
    else break
    if (++read < MOST_ROWS) continue
    epochs.pop()
    break
  }
  return { objects: objects.map(objectOf), lastEpochs: epochs.map(epochOf) }
}

/** Both are ordered like this. */
function* latestFirst(waiting: Iterator<ObjectRow, void>, published: Iterator<HistoryRow, void>): Generator<Row, void> {
  let [one, other] = [waiting.next(), published.next()]
  try {
    while (one.done !== true || other.done !== true) {
      const takesOne = one.done !== true && (other.done === true || one.value.epoch >= other.value.epoch)
      if (takesOne && one.done !== true) {
        yield one.value
        one = waiting.next()
      } else if (other.done !== true) {
        yield other.value
        other = published.next()
      }
    }
  } finally {
    waiting.return?.()
    published.return?.()
  }
}

function objectOf(row: Row): StateDetail['objects'][number] {
  const { key, epoch, records, bytes } = row
  return {
    sink: sinkNameOf(row),
    key,
    epoch,
    records,
    bytes,
    ...('publishedAt' in row && { publishedAt: row.publishedAt }),
  }
}

function epochOf(rows: readonly Row[]): StateDetail['lastEpochs'][number] {
  const published = rows.flatMap((row) => ('publishedAt' in row ? row.publishedAt : []))
  return {
    epoch: rows[0].epoch,
    objects: rows.length,
    waiting: rows.length - published.length,
    records: rows.reduce((sum, { records }) => sum + records, 0),
    bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(published.length === rows.length && { publishedAt: Math.max(...published) }),
  }
}

async function describe({ partition, position }: PartitionRow): Promise<StateDetail['partitions'][number]> {
  const { readUpTo, detail } = await describePosition(partition, position)
  return {
    partition,
    isCommitted: true,
    ...(readUpTo !== undefined && { readUpToAt: readUpTo }),
    ...(detail && { detail }),
  }
}
