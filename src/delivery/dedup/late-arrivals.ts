import type { Batch } from '../../record/batch.ts'
import { parseInstantText } from '../../record/json/instant.ts'
import { DAY, HOUR, MINUTE } from '../../time.ts'

/**
 * Counts written records that arrived late: their event time had been read before. Returns the
 * counts by the delay between event time and first sight, as an upper bound (`15m`), so that
 * `overlap` and `sweep` of a source can be set from measurements. Empty without a `dedup` that
 * knows the event time.
 */
export function countLateArrivals(batch: Batch, written: Uint32Array): Map<string, number> {
  const late = new Map<string, number>()
  const { reread } = batch
  const time = batch.digests?.time
  if (reread === undefined || time === undefined) return late
  for (const record of written) {
    const hit = batch.hit(record, time)
    if (hit < 0) continue
    const instant = parseInstantText(batch.text(hit))
    if (!(instant < reread.before)) continue
    const name = nameOf(reread.at - instant)
    late.set(name, (late.get(name) ?? 0) + 1)
  }
  return late
}

const DELAYS = [
  ['5m', 5 * MINUTE],
  ['15m', 15 * MINUTE],
  ['1h', HOUR],
  ['2h', 2 * HOUR],
  ['6h', 6 * HOUR],
  ['1d', DAY],
  ['7d', 7 * DAY],
] as const

function nameOf(delay: number): string {
  return DELAYS.find(([, most]) => delay <= most)?.[0] ?? 'longer'
}
