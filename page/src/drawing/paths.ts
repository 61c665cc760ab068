import type { DrawnEdge } from './plan.ts'

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A line from one box to another, and a place for its label. `at` keeps lines of one gutter apart. */
export function pathOf(from: Box, to: Box, kind: DrawnEdge['kind'], at: number): string {
  const [right, bottom] = [from.x + from.width, from.y + from.height]
  const middle = to.y + to.height / 2
  if (to.x >= right) {
    // A tall box is left beside its target.
    const y = clamp(middle, from.y + Math.min(INSET, from.height / 2), bottom - Math.min(INSET, from.height / 2))
    const half = (right + to.x) / 2
    return `M${right} ${y} C${half} ${y} ${half} ${middle} ${to.x - TIP} ${middle}`
  }
  if (kind === 'chain' && to.y >= bottom) {
    const x = Math.max(from.x, to.x) + INSET
    return `M${x} ${bottom} V${to.y - TIP}`
  }
  const y = from.y + from.height / 2
  if (kind === 'rejected') {
    const [end, x] = [to.x + to.width, Math.max(right, to.x + to.width) + GUTTER]
    return `M${right} ${y} H${x} V${middle} H${end + TIP}`
  }
  const x = Math.min(from.x, to.x) - GUTTER - 2 * (at % 4)
  return `M${from.x} ${y} H${x} V${middle} H${to.x - TIP}`
}

/** Where the label of an edge to the next box below stands. */
export function labelOf(from: Box, to: Box): { readonly x: number; readonly y: number } {
  return { x: Math.max(from.x, to.x) + INSET + 8, y: (from.y + from.height + to.y) / 2 + 4 }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}

/** Pixels. */
const INSET = 24
const GUTTER = 8
/** Of the arrow. */
const TIP = 2
