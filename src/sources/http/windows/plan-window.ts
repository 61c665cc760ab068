import type { WindowOptions } from '../options.ts'
import { isAbsolute, parseMoment } from '../../../fields/moment.ts'
import { MINUTE } from '../../../time.ts'

export interface WindowPlan {
  readonly start: number
  readonly end: number
  /**
   * Where the new part of the window begins. Later than the old high watermark if the API has
   * already deleted older records.
   */
  readonly highWatermark: number
  readonly sweep: boolean
  /** Records in this range can no longer be read. */
  readonly gap?: { readonly from: number; readonly to: number }
}

interface PlanInput {
  readonly highWatermark: number | undefined
  /** Where the first window begins. */
  readonly first: number
  readonly swept: number | undefined
  /** API time, or our time if that is earlier. */
  readonly now: number
  /** API time. `retention` is relative to it. */
  readonly reference: number
  /** No window ends later than this. */
  readonly target: number
  /** Distance to keep from the retention edge, which moves while we read. */
  readonly margin: number
}

/** Plans the window after the high watermark. Undefined if no window is due yet. */
export function planWindow(
  window: WindowOptions,
  { highWatermark, first, swept, now, reference, target, margin }: PlanInput,
): WindowPlan | undefined {
  const { since, step = Infinity, overlap, retention = Infinity } = window
  const edge = reference - retention + margin
  const wanted = highWatermark ?? first
  const from = Math.max(wanted, edge)
  if (from >= target) return undefined
  const floor = isAbsolute(since) ? parseMoment(since, reference) : -Infinity
  const { sweep: lookBack, sweepEvery } = window
  // The first window has no past to look back at: it counts as a look-back. API time, which has whole
  // seconds, can be earlier than at the latest look-back: no time has passed then.
  const sinceSwept = swept === undefined ? Infinity : Math.max(0, now - swept)
  const sweep = lookBack !== undefined && (highWatermark === undefined || sinceSwept >= sweepEvery)
  const back = sweep ? Math.max(lookBack, overlap) : overlap
  const start = highWatermark === undefined ? from : Math.max(from - back, edge, floor)
  const end = Math.min(from + step, target)
  const isGap = from - wanted > EDGE_MARGIN
  return { start, end, highWatermark: from, sweep, ...(isGap ? { gap: { from: wanted, to: from } } : {}) }
}

/** Distance that windows keep from the retention edge, in milliseconds. */
export const EDGE_MARGIN = MINUTE
/** Distance after the API has refused a window near the edge. */
export const WIDE_EDGE_MARGIN = 10 * MINUTE
