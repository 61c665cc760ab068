import { DAY, HOUR } from '../../../time.ts'
import { changedHours } from './hourly-counts.ts'
import type { HourlyCounts } from './hourly-counts.ts'
import { iso } from '../../../fields/moment.ts'
import { log, withOpen } from './planner-state.ts'
import type { PlannerSettings, PlannerState, PlannerStep } from './planner-state.ts'

/**
 * Once a day, compares the hourly counts of the API with the known ones, and re-reads each hour
 * that differs. After an interruption the comparison starts over: hours that were re-read are known
 * by then.
 */
export function reconcile(state: PlannerState, now: number, settings: PlannerSettings): PlannerStep {
  const { repaired, known } = state.checkpoint
  if (repaired === undefined || known === undefined) return { state, effects: [] }
  if (state.changed !== undefined) return openChangedHour(state, now, settings)
  if (now - repaired < DAY) return { state, effects: [] }
  const start = Math.max(known.first, edgeOf(state, now, settings))
  const end = known.first + known.counts.length * HOUR
  return { state, effects: [{ type: 'compareHours', range: { start, end } }] }
}

export function compareHours(
  state: PlannerState,
  { now, hours }: { readonly now: number; readonly hours: HourlyCounts },
  settings: PlannerSettings,
): PlannerStep {
  const { known } = state.checkpoint
  if (known === undefined) return { state, effects: [] }
  const changed = changedHours(known, hours)
  const opened = openChangedHour({ ...state, changed }, now, settings)
  if (changed.length === 0) return opened
  const details = { hours: changed.length, from: iso(changed[0].hour) }
  return {
    ...opened,
    effects: [log('source.counts.changed', details), ...opened.effects],
  }
}

function openChangedHour(state: PlannerState, now: number, settings: PlannerSettings): PlannerStep {
  const edge = edgeOf(state, now, settings)
  const next = state.changed?.find(({ hour }) => hour >= edge)
  if (next === undefined)
    return {
      state: { ...state, changed: undefined, checkpoint: { ...state.checkpoint, repaired: now } },
      effects: [{ type: 'emitCheckpoint' }],
    }
  const { hour, count } = next
  const hours = { first: hour, counts: [count] }
  const { query } = settings
  const window = { start: hour, end: hour + HOUR, query, pages: 0, records: 0, counted: count, hours }
  return { state: withOpen(state, window), effects: [] }
}

/** The retention edge plus the margin. No window starts before it. */
function edgeOf({ margin }: PlannerState, now: number, { window }: PlannerSettings): number {
  const { retention = Infinity } = window ?? {}
  return now - retention + margin
}
