import type { ObjectSink } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import type { ObjectRow, Role } from '../state/rows.ts'

/** A sink of the pipeline file that waiting objects can be sent to. */
export interface RedirectTarget {
  readonly role: Role
  readonly type: string
  readonly sink: ObjectSink
}

/** What `sluice state redirect` will do. */
export interface RedirectPlan {
  readonly moves: readonly Move[]
  /** Objects that are visible at their old destination: they count as published there. */
  readonly published: readonly ObjectRow[]
}

interface Move {
  /** With its new type and destination. */
  readonly row: ObjectRow
  /** Places without the key, see `placeOf`. */
  readonly from: string
  readonly to: string
}

/**
 * Plans to send all waiting objects to the sinks that are configured now. They keep their keys. An
 * object that already goes there stays as it is. An upload whose answer was lost may have succeeded,
 * so the old destinations are asked first, as far as they answer before the signal aborts.
 * @throws SluiceError USAGE if the pipeline has no sink for an object
 */
export async function planRedirect(
  rows: readonly ObjectRow[],
  targets: readonly RedirectTarget[],
  signal: AbortSignal,
): Promise<RedirectPlan> {
  const moves: Move[] = []
  const published: ObjectRow[] = []
  for (const row of rows) {
    const target = targets.find(({ role }) => role === row.role)
    if (!target) {
      throw new SluiceError(
        'USAGE',
        `${row.key} waits for the sink \`${row.role}\`, which the pipeline no longer has`,
        {
          hint: `add \`${row.role}\` to the pipeline file`,
        },
      )
    }
    const destination = target.sink.destination(row.key)
    const earlier = targets.find(({ type }) => type === row.type)?.sink
    const from = earlier ? placeOf(earlier, row.destination, row.key) : `${row.type} ${JSON.stringify(row.destination)}`
    const to = placeOf(target.sink, destination, row.key)
    if (row.type === target.type && from === to) continue
    if (Buffer.byteLength(row.key) > target.sink.maxKeyBytes) {
      throw new SluiceError('USAGE', `the sink ${target.type} does not take keys as long as ${row.key}`)
    }
    if (await isVisible(earlier, row, signal)) published.push(row)
    else moves.push({ row: { ...withoutStaged(row), type: target.type, destination }, from, to })
  }
  return { moves, published }
}

/** Where a destination is, without the key of its object: `s3://audit`, `/data/out`. */
export function placeOf(sink: ObjectSink, destination: JsonObject, key: string): string {
  const location = sink.location?.(destination) ?? JSON.stringify(destination)
  return location.replace(`/${key}`, '')
}

/** Staged bytes are at the old store: the shard is executed again for the new one. */
function withoutStaged(row: ObjectRow): ObjectRow {
  return row.file === undefined ? { ...row, staged: null } : row
}

async function isVisible(sink: ObjectSink | undefined, row: ObjectRow, signal: AbortSignal): Promise<boolean> {
  if (!sink?.exists || signal.aborted) return false
  const aborted = new Promise<boolean>((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true })
  })
  const [found] = await Promise.allSettled([Promise.race([sink.exists(row.destination, signal, row.bytes), aborted])])
  return found.status === 'fulfilled' && found.value
}
