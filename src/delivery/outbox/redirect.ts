import type { ObjectSink } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { REJECTS, sinkNameOf, sinkRowOf } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'
import { targetOf } from './target-of.ts'

/** A sink of the pipeline file that waiting objects can be sent to. */
export interface RedirectTarget {
  /** See `ObjectTarget`. */
  readonly name: string
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
  /** With its new sink, type and destination. */
  readonly row: ObjectRow
  /** Name of the sink that it was committed for. */
  readonly was: string
  /** Places without the key, see `placeOf`. */
  readonly from: string
  readonly to: string
}

/**
 * Plans to send all waiting objects to the sinks that are configured now. They keep their keys. An
 * object that already goes there stays as it is. An upload whose answer was lost may have succeeded,
 * so the old destinations are asked first, as far as they answer before the signal aborts.
 * @param to name of the sink that gets what waits for sinks that the pipeline no longer has
 * @throws SluiceError USAGE if the pipeline has no sink for an object
 */
export async function planRedirect(
  rows: readonly ObjectRow[],
  targets: readonly RedirectTarget[],
  { to: heir, signal }: { readonly to?: string | undefined; readonly signal: AbortSignal },
): Promise<RedirectPlan> {
  const moves: Move[] = []
  const published: ObjectRow[] = []
  for (const row of rows) {
    const target = newTarget(row, targets, heir)
    const destination = target.sink.destination(row.key)
    const was = sinkNameOf(row)
    const earlier = (targetOf(row, targets) ?? targets.find(({ type }) => type === row.type))?.sink
    const from = earlier ? placeOf(earlier, row.destination, row.key) : `${row.type} ${JSON.stringify(row.destination)}`
    const to = placeOf(target.sink, destination, row.key)
    const staysThere = row.type === target.type && from === to
    if (staysThere && was === target.name) continue
    if (Buffer.byteLength(row.key) > target.sink.maxKeyBytes) {
      throw new SluiceError('USAGE', `the sink ${target.type} does not take keys as long as ${row.key}`)
    }
    if (await isVisible(earlier, row, signal)) published.push(row)
    else {
      const { sink: _sink, ...moved } = staysThere ? row : withoutStaged(row)
      moves.push({ row: { ...moved, ...sinkRowOf(target.name), type: target.type, destination }, was, from, to })
    }
  }
  return { moves, published }
}

/** The sink of the pipeline file that an object goes to. */
function newTarget(row: ObjectRow, targets: readonly RedirectTarget[], heir: string | undefined): RedirectTarget {
  const name = sinkNameOf(row)
  const own = targets.find((target) => target.name === name)
  if (own) return own
  const problem = `${row.key} waits for the sink \`${name}\`, which the pipeline no longer has`
  if (name === REJECTS) throw new SluiceError('USAGE', problem, { hint: `add \`${name}\` to the pipeline file` })
  const others = targets.filter((target) => target.name !== REJECTS)
  const found = heir === undefined && others.length === 1 ? others[0] : others.find((target) => target.name === heir)
  if (found) return found
  const names = others.map((target) => target.name)
  throw new SluiceError('USAGE', problem, {
    hint: `say which sink gets it with --to: one of ${names.join(', ')}; or put \`${name}\` back into the pipeline file`,
  })
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
