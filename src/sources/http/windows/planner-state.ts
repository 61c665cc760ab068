import type { HttpOptions } from '../options.ts'
import type { NextPage } from '../pages/paginate.ts'
import type { Checkpoint, OpenWindow } from './checkpoint.ts'
import type { ChangedHour, HourlyCounts, TimeRange } from './hourly-counts.ts'
import { EDGE_MARGIN } from './plan-window.ts'
import type { MessageArguments } from '../../../observe/messages/table.ts'

/** All that the planner remembers of one tenant. Only the checkpoint outlives the process. */
export interface PlannerState {
  readonly checkpoint: Checkpoint
  /** Distance from the retention edge, in milliseconds. */
  readonly margin: number
  /** Restarts after a refused cursor since the last complete window. */
  readonly restarts: number
  /**
   * Hours that the current reconciliation still has to re-read; undefined between reconciliations.
   */
  readonly changed?: readonly ChangedHour[] | undefined
  /**
   * Where the next window begins, if that is later than the high watermark: windows were read that
   * may end in the API's future. Undefined once no window is due: then they are read again.
   */
  readonly readTo?: number | undefined
  /**
   * Where the first window begins, while it is not due: `since` may be shorter than the lag, or than the
   * API's clock is ahead. `isKnown`: by the API's clock.
   */
  readonly first?: { readonly at: number; readonly isKnown: boolean } | undefined
  /** The checkpoint before the open window was planned with our clock, before the API's was known. */
  readonly unsure?: Checkpoint | undefined
}

/** Fixed during a run. */
export interface PlannerSettings extends Pick<HttpOptions, 'window' | 'count' | 'repair'> {
  /** Windows end here at the latest; Infinity without `window.until`. */
  readonly until: number
  /** Fingerprint of the record query. A cursor of any other query is discarded. */
  readonly query: string
  /** Fingerprint of the query for hourly counts; undefined without `repair`. */
  readonly hoursQuery?: string | undefined
}

/** An input of the planner. `now` is API time, in milliseconds since 1970. */
export type PlannerEvent =
  /** The checkpoint comes from a position that an earlier run has committed. */
  | { readonly type: 'resume' }
  /** Asks for the next window. Replaces an open one. */
  | ({ readonly type: 'openWindow' } & PlannerTime)
  /** A response has shown the API time for the first time. */
  | ({ readonly type: 'timeLearned' } & PlannerTime)
  /** Response to `countWindow`; `count` is undefined if the API did not give one. */
  | { readonly type: 'windowCounted'; readonly now: number; readonly count: number | undefined }
  /** Response to `countHours`; `hours` is undefined if the API did not give any. */
  | { readonly type: 'hoursCounted'; readonly hours: HourlyCounts | undefined }
  /** Asks for the next window of a reconciliation. Comes when no other window is due. */
  | { readonly type: 'reconcile'; readonly now: number }
  /** Response to `compareHours`. */
  | { readonly type: 'hoursCompared'; readonly now: number; readonly hours: HourlyCounts }
  /**
   * A page is complete. `now` is the API time at the start of its response. `proven` is a time that
   * the API had certainly reached when catching up began.
   */
  | {
      readonly type: 'pageRead'
      readonly now: number
      readonly proven: number
      readonly records: number
      readonly next: NextPage
    }
  /**
   * The API refused a request for a page with this status. If no window is open afterwards, it
   * restarts.
   */
  | { readonly type: 'requestRefused'; readonly now: number; readonly status: number }

export interface PlannerTime {
  readonly now: number
  /** The API's own time, which is later than `now` if our clock is slow. */
  readonly reference: number
  /** API time at which catching up began. */
  readonly reached: number
  /** False before the first response with a Date header: then all of these are by our clock. */
  readonly isKnown: boolean
}

/** Work that the caller does for the planner. */
export type PlannerEffect =
  | { readonly type: 'log'; readonly message: MessageArguments }
  | { readonly type: 'countWindow'; readonly range: TimeRange }
  | { readonly type: 'countHours'; readonly range: TimeRange }
  /** Asks for hourly counts to compare. Without a response no event follows. */
  | { readonly type: 'compareHours'; readonly range: TimeRange }
  /** Emits the checkpoint although no page has been read. */
  | { readonly type: 'emitCheckpoint' }

export interface PlannerStep {
  readonly state: PlannerState
  /** In order. */
  readonly effects: readonly PlannerEffect[]
}

export function startPlanner(checkpoint: Checkpoint): PlannerState {
  return { checkpoint, margin: EDGE_MARGIN, restarts: 0 }
}

/** The state with this window open, or with none. */
export function withOpen(state: PlannerState, window?: OpenWindow): PlannerState {
  return { ...state, checkpoint: { ...state.checkpoint, open: window === undefined ? [] : [window] } }
}

/** The settling delay; 0 without time windows. */
export function lagOf({ window }: PlannerSettings): number {
  return window?.lag ?? 0
}

export function log(...message: MessageArguments): PlannerEffect {
  return { type: 'log', message }
}
