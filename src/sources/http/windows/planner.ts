import type { Checkpoint, OpenWindow } from './checkpoint.ts'
import { finishPage } from './finish-page.ts'
import { ceilHour } from './hourly-counts.ts'
import type { KnownHours, TimeRange } from './hourly-counts.ts'
import { iso } from './moment.ts'
import { planWindow, WIDE_EDGE_MARGIN } from './plan-window.ts'
import { log, withOpen } from './planner-state.ts'
import type { PlannerEvent, PlannerSettings, PlannerState, PlannerStep } from './planner-state.ts'
import { compareHours, reconcile } from './reconcile.ts'

/** Decides what to read next. Pure: no I/O, no clock. */
export function advance(state: PlannerState, event: PlannerEvent, settings: PlannerSettings): PlannerStep {
  switch (event.type) {
    case 'resume':
      return resume(state, settings)
    case 'openWindow':
      return openWindow(state, event, settings)
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

/** Discards cursors and hourly counts that belong to another query. */
function resume(state: PlannerState, { query, hoursQuery }: PlannerSettings): PlannerStep {
  const { known, open } = state.checkpoint
  const keepsHours = known?.query === hoursQuery
  const windows = keepsHours ? open : open.map((window) => ({ ...window, hours: undefined }))
  const hours = keepsHours ? {} : { repaired: undefined, known: undefined }
  const checkpoint = { ...state.checkpoint, ...hours, open: windows }
  if (open.every((window) => window.query === query)) return { state: { ...state, checkpoint }, effects: [] }
  return {
    state: { ...state, checkpoint: { ...checkpoint, open: [] } },
    effects: [log('the query has changed: restarting the open window')],
  }
}

function openWindow(
  state: PlannerState,
  { now, reached }: { readonly now: number; readonly reached: number },
  settings: PlannerSettings,
): PlannerStep {
  const { window, query } = settings
  if (window === undefined) return { state: withOpen(state, { query, pages: 0, records: 0 }), effects: [] }
  const { highWatermark, swept, known } = state.checkpoint
  const target = Math.min(settings.until, reached - window.lag)
  const plan = planWindow(window, { highWatermark, swept, now, target, margin: state.margin })
  if (plan === undefined) return { state: withOpen(state), effects: [] }
  const { start, end, sweep, gap } = plan
  const checkpoint: Checkpoint = {
    ...state.checkpoint,
    highWatermark: plan.highWatermark,
    known: known ?? noHours(start, settings),
    open: [{ start, end, query, pages: 0, records: 0, sweep }],
  }
  const counting = askForCounts({ ...state, checkpoint }, now, settings)
  if (gap === undefined) return counting
  const details = { from: iso(gap.from), to: iso(gap.to) }
  const message = 'gap: the API no longer has records that are older than its retention'
  return { ...counting, effects: [log(message, details), ...counting.effects] }
}

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
      effects: [log('the API refused the cursor: restarting the window', { status })],
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
