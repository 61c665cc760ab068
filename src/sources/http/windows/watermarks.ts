import type { Reread } from '../../../record/chunk.ts'
import type { WindowOptions } from '../options.ts'
import type { Checkpoint, OpenWindow } from './checkpoint.ts'

/** No later window yields records with an older event time. Undefined without time windows. */
export function lowWatermarkOf(
  { highWatermark, known }: Checkpoint,
  window: WindowOptions | undefined,
): number | undefined {
  if (window === undefined || highWatermark === undefined) return undefined
  const back = Math.max(window.overlap, window.sweep ?? 0)
  return Math.min(highWatermark - back, known?.first ?? Infinity)
}

/**
 * For a window that begins before the high watermark: its new records from before the watermark are
 * late.
 * @param now API time at the start of the page's response.
 */
export function rereadOf(
  { start, asOf }: OpenWindow,
  { highWatermark }: Checkpoint,
  now: number,
  lag: number,
): Reread | undefined {
  if (highWatermark === undefined || start === undefined || start >= highWatermark) return undefined
  return { before: highWatermark, at: asOf === undefined ? now : asOf + lag }
}
