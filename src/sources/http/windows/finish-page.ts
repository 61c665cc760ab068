import { HOUR } from '../../../time.ts'
import type { Checkpoint, OpenWindow } from './checkpoint.ts'
import { updateKnownHours } from './hourly-counts.ts'
import { iso } from './moment.ts'
import { EDGE_MARGIN } from './plan-window.ts'
import { lagOf, log, withOpen } from './planner-state.ts'
import type { PlannerEvent, PlannerSettings, PlannerState, PlannerStep } from './planner-state.ts'

/** Takes a complete page: the window stays open, is read once more, or is closed. */
export function finishPage(
  state: PlannerState,
  { now, records, next }: Extract<PlannerEvent, { readonly type: 'pageRead' }>,
  settings: PlannerSettings,
): PlannerStep {
  const [open] = state.checkpoint.open
  if (open === undefined) return { state, effects: [] }
  const asOf = open.start === undefined ? undefined : (open.asOf ?? now - lagOf(settings))
  const window: OpenWindow = { ...open, asOf, pages: open.pages + 1, records: open.records + records }
  if (next !== undefined) return { state: withOpen(state, { ...window, cursor: next.cursor }), effects: [] }
  const { start = 0, end = 0, counted = 0, again } = window
  if (window.records >= counted) return { state: closeWindow(state, window, settings), effects: [] }
  const details = { from: iso(start), to: iso(end), counted, read: window.records }
  if (again === true)
    return {
      state: closeWindow(state, window, settings),
      effects: [log('a window has fewer records than the API counted: some may be missing', details)],
    }
  return {
    state: withOpen(state, restarted(window)),
    effects: [log('a window has fewer records than the API counted: reading it once more', details)],
  }
}

function restarted({ start, end, query, sweep, counted, hours }: OpenWindow): OpenWindow {
  return { start, end, query, sweep, counted, hours, again: true, pages: 0, records: 0 }
}

/** Moves the watermarks past a complete window. */
function closeWindow(state: PlannerState, window: OpenWindow, settings: PlannerSettings): PlannerState {
  const { start, end, asOf = Infinity, sweep } = window
  const { highWatermark = -Infinity, swept } = state.checkpoint
  const moved = end === undefined ? undefined : Math.max(highWatermark, Math.min(end, asOf))
  return {
    checkpoint: {
      highWatermark: moved,
      swept: sweep === true ? asOf + lagOf(settings) : swept,
      ...updateHours(state.checkpoint, window, moved, settings),
      open: [],
    },
    margin: EDGE_MARGIN,
    restarts: 0,
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
