import { HOUR } from '../../../time.ts'
import type { Checkpoint, OpenWindow } from './checkpoint.ts'
import { updateKnownHours } from './hourly-counts.ts'
import { iso } from '../../../fields/moment.ts'
import { EDGE_MARGIN } from './plan-window.ts'
import { lagOf, log, withOpen } from './planner-state.ts'
import type { PlannerEvent, PlannerSettings, PlannerState, PlannerStep } from './planner-state.ts'

/** Takes a complete page: the window stays open, is read once more, or is closed. */
export function finishPage(
  before: PlannerState,
  { now, proven, records, next }: PageRead,
  settings: PlannerSettings,
): PlannerStep {
  const [open] = before.checkpoint.open
  const state: PlannerState = { ...before, unsure: undefined }
  if (open === undefined) return { state, effects: [] }
  const asOf = open.start === undefined ? undefined : (open.asOf ?? now - lagOf(settings))
  const window: OpenWindow = { ...open, asOf, pages: open.pages + 1, records: open.records + records }
  if (next !== undefined) return { state: withOpen(state, { ...window, cursor: next.cursor }), effects: [] }
  const { start = 0, end = 0, counted = 0, again } = window
  if (window.records >= counted) return { state: closeWindow(state, window, proven, settings), effects: [] }
  const details = { from: iso(start), to: iso(end), counted, read: window.records }
  if (again === true)
    return {
      state: closeWindow(state, window, proven, settings),
      effects: [log('source.window.short', details)],
    }
  return {
    state: withOpen(state, restarted(window)),
    effects: [log('source.window.again', details)],
  }
}

function restarted({ start, end, query, sweep, counted, hours }: OpenWindow): OpenWindow {
  return { start, end, query, sweep, counted, hours, again: true, pages: 0, records: 0 }
}

type PageRead = Extract<PlannerEvent, { readonly type: 'pageRead' }>

/**
 * Moves the watermarks past a complete window. The high watermark does not pass a time that the API
 * has certainly reached: events with later times may still occur.
 */
function closeWindow(state: PlannerState, window: OpenWindow, proven: number, settings: PlannerSettings): PlannerState {
  const { start, end, asOf = Infinity, sweep } = window
  const { highWatermark = -Infinity, swept } = state.checkpoint
  const read = end === undefined ? undefined : Math.min(end, asOf)
  const moved = read === undefined ? undefined : Math.max(highWatermark, Math.min(read, proven - lagOf(settings)))
  return {
    checkpoint: {
      highWatermark: moved,
      swept: sweep === true ? asOf + lagOf(settings) : swept,
      ...updateHours(state.checkpoint, window, moved, settings),
      open: [],
    },
    margin: EDGE_MARGIN,
    restarts: 0,
    unsure: undefined,
    readTo: read !== undefined && moved !== undefined && read > moved ? read : undefined,
    changed: state.changed?.filter(({ hour }) => hour !== start || hour + HOUR !== end),
  }
}

function updateHours(
  { known, repaired }: Checkpoint,
  { asOf, hours }: OpenWindow,
  highWatermark: number | undefined,
  settings: PlannerSettings,
): Pick<Checkpoint, 'repaired' | 'known'> {
  const { repair } = settings
  if (repair === undefined || known === undefined || highWatermark === undefined) return {}
  return {
    repaired: repaired ?? (asOf ?? highWatermark) + lagOf(settings),
    known: updateKnownHours(known, hours, { start: highWatermark - repair.back, end: highWatermark }),
  }
}
