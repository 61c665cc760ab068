import type { Checkpoint, OpenWindow } from './checkpoint.ts'
import { finishPage } from './finish-page.ts'
import { ceilHour } from './hourly-counts.ts'
import type { KnownHours, TimeRange } from './hourly-counts.ts'
import { iso, parseMoment } from '../../../fields/moment.ts'
import { planWindow, WIDE_EDGE_MARGIN } from './plan-window.ts'
import { log, withOpen } from './planner-state.ts'
import type { PlannerEvent, PlannerSettings, PlannerState, PlannerStep, PlannerTime } from './planner-state.ts'
import { SECOND } from '../../../time.ts'
import { compareHours, reconcile } from './reconcile.ts'

/** Decides what to read next. Pure: no I/O, no clock. */
export function advance(state: PlannerState, event: PlannerEvent, settings: PlannerSettings): PlannerStep {
  switch (event.type) {
    case 'resume':
      return resume(state, settings)
    case 'openWindow':
      return openWindow(state, event, settings)
    case 'timeLearned':
      return planAgain(state, event, settings)
    case 'windowCounted':
      return askForHours(withWindow(state, { counted: event.count }), event.now, settings)
    case 'hoursCounted':
      return { state: withWindow(state, { hours: event.hours }), effects: [] }
    case 'reconcile':
      return reconcile(state, event.now, settings)
    case 'hoursCompared':
      return compareHours(state, event, settings)
    case 'pageRead':
      return finishPage(state, event, settings)
    default:
      return refuse(state, event, settings)
  }
}

/**
 * Discards cursors and hourly counts that belong to another query. Discards a window after the high
 * watermark: the API had perhaps not reached the time between the two when it was read.
 */
function resume(state: PlannerState, { query, hoursQuery }: PlannerSettings): PlannerStep {
  const { known, highWatermark = Infinity } = state.checkpoint
  const open = state.checkpoint.open.filter(({ start = -Infinity }) => start <= highWatermark)
  const keepsHours = known?.query === hoursQuery
  const windows = keepsHours ? open : open.map((window) => ({ ...window, hours: undefined }))
  const hours = keepsHours ? {} : { repaired: undefined, known: undefined }
  const checkpoint = { ...state.checkpoint, ...hours, open: windows }
  if (open.every((window) => window.query === query)) return { state: { ...state, checkpoint }, effects: [] }
  return {
    state: { ...state, checkpoint: { ...checkpoint, open: [] } },
    effects: [log('source.window.query-changed')],
  }
}

function openWindow(
  state: PlannerState,
  { now, reference, reached, isKnown }: PlannerTime,
  settings: PlannerSettings,
): PlannerStep {
  const { window, query } = settings
  if (window === undefined) return { state: withOpen(state, { query, pages: 0, records: 0 }), effects: [] }
  const { highWatermark, swept, known } = state.checkpoint
  const target = Math.min(settings.until, reached - window.lag)
  const { readTo = highWatermark, margin } = state
  const first = state.first?.isKnown === isKnown ? state.first : { at: parseMoment(window.since, reference), isKnown }
  const plan = planWindow(window, { highWatermark: readTo, first: first.at, swept, now, reference, target, margin })
  if (plan === undefined) {
    const waits = readTo === undefined && { first }
    return { state: { ...withOpen(state), readTo: undefined, ...waits }, effects: [] }
  }
  const { start, end, sweep, gap } = plan
  const checkpoint: Checkpoint = {
    ...state.checkpoint,
    highWatermark: state.readTo === undefined ? plan.highWatermark : highWatermark,
    known: known ?? noHours(start, settings),
    open: [{ start, end, query, pages: 0, records: 0, sweep }],
  }
  const unsure = isKnown ? undefined : state.checkpoint
  const counting = askForCounts({ ...state, checkpoint, unsure }, now, settings)
  if (gap === undefined) return counting
  const details = { from: iso(gap.from), to: iso(gap.to) }
  return { ...counting, effects: [log('source.gap', details), ...counting.effects] }
}

/** Plans the open window again if our clock was wrong. */
function planAgain(state: PlannerState, time: PlannerTime, settings: PlannerSettings): PlannerStep {
  const { unsure } = state
  if (unsure === undefined) return { state, effects: [] }
  const before = rangeOf(state.checkpoint.open[0])
  const again = openWindow({ ...state, checkpoint: { ...unsure, open: [] } }, time, settings)
  const after = rangeOf(again.state.checkpoint.open[0])
  if (before !== undefined && after !== undefined && isNear(before.start, after.start) && isNear(before.end, after.end))
    return { state: { ...state, unsure: undefined }, effects: [] }
  const details: { [name: string]: string } = {}
  if (after !== undefined) Object.assign(details, { from: iso(after.start), to: iso(after.end) })
  return {
    state: { ...again.state, unsure: undefined },
    effects: [log('source.window.clock', details), ...again.effects],
  }
}

function isNear(one: number, other: number): boolean {
  return Math.abs(one - other) <= CLOCK_PRECISION
}

/** A Date header has whole seconds, and a response takes time. In milliseconds. */
const CLOCK_PRECISION = 5 * SECOND

function noHours(start: number, { hoursQuery }: PlannerSettings): KnownHours | undefined {
  return hoursQuery === undefined ? undefined : { query: hoursQuery, first: ceilHour(start), counts: [] }
}

function askForCounts(state: PlannerState, now: number, settings: PlannerSettings): PlannerStep {
  const range = rangeOf(state.checkpoint.open[0])
  if (settings.count === undefined || range === undefined) return askForHours(state, now, settings)
  return { state, effects: [{ type: 'countWindow', range }] }
}

function askForHours(state: PlannerState, now: number, { repair }: PlannerSettings): PlannerStep {
  const range = rangeOf(state.checkpoint.open[0])
  if (repair === undefined || range === undefined) return { state, effects: [] }
  // If our clock is fast, the window ends in the future. Then it is planned again.
  const end = Math.min(range.end, now)
  return { state, effects: [{ type: 'countHours', range: { start: Math.max(range.start, end - repair.back), end } }] }
}

/** Restarts the window if its cursor has expired, or if its start has passed the retention edge. */
function refuse(
  state: PlannerState,
  { now, status }: { readonly now: number; readonly status: number },
  { window: options }: PlannerSettings,
): PlannerStep {
  const unchanged: PlannerStep = { state, effects: [] }
  const [window] = state.checkpoint.open
  if (window === undefined || !REFUSES_CURSOR.has(status)) return unchanged
  if (window.cursor !== undefined) {
    if (state.restarts >= MAX_RESTARTS) return unchanged
    return {
      state: { ...withOpen(state), restarts: state.restarts + 1 },
      effects: [log('source.window.cursor', { status })],
    }
  }
  const { retention } = options ?? {}
  if (status !== 400 || retention === undefined || window.start === undefined) return unchanged
  if (state.margin === WIDE_EDGE_MARGIN || window.start > now - retention + WIDE_EDGE_MARGIN) return unchanged
  return { state: { ...withOpen(state), margin: WIDE_EDGE_MARGIN }, effects: [] }
}

/** Bad Request and Gone: how APIs refuse a cursor that they no longer know. */
const REFUSES_CURSOR: ReadonlySet<number> = new Set([400, 410])
/** After so many restarts the refusal of a cursor is an error. */
const MAX_RESTARTS = 3

function withWindow(state: PlannerState, changes: Partial<OpenWindow>): PlannerState {
  const [window] = state.checkpoint.open
  return window === undefined ? state : withOpen(state, { ...window, ...changes })
}

function rangeOf(window: OpenWindow | undefined): TimeRange | undefined {
  return window?.start === undefined || window.end === undefined ? undefined : { start: window.start, end: window.end }
}
