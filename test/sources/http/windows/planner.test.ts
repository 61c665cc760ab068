import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WindowOptions } from '../../../../src/sources/http/options.ts'
import type { Checkpoint, OpenWindow } from '../../../../src/sources/http/windows/checkpoint.ts'
import { EDGE_MARGIN, WIDE_EDGE_MARGIN } from '../../../../src/sources/http/windows/plan-window.ts'
import { advance } from '../../../../src/sources/http/windows/planner.ts'
import { log, startPlanner } from '../../../../src/sources/http/windows/planner-state.ts'
import type {
  PlannerEffect,
  PlannerEvent,
  PlannerSettings,
  PlannerState,
} from '../../../../src/sources/http/windows/planner-state.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../../../src/time.ts'

/** Every time in the table is relative to this whole UTC hour. */
const T = Date.parse('2024-03-04T12:00:00Z')
const iso = (time: number) => new Date(time).toISOString()

const LAG = 5 * MINUTE
const OVERLAP = 5 * MINUTE
const window: WindowOptions = { since: '1d', lag: LAG, overlap: OVERLAP, sweepEvery: 15 * MINUTE }
const request = { method: 'GET', url: 'https://api.example.com/', headers: {}, query: {} } as const
const count = { request, value: { body: 'n' } }
const repair = { request, buckets: '$', start: 'at', count: 'n', back: 3 * DAY }

const plain: PlannerSettings = { window, until: Infinity, query: 'q' }
const noWindows: PlannerSettings = { until: Infinity, query: 'q' }
const lookBack: PlannerSettings = { ...plain, window: { ...window, sweep: 2 * HOUR } }
const retention: PlannerSettings = { ...plain, window: { ...window, retention: 10 * DAY } }
const counting: PlannerSettings = { ...plain, count }
const reconciling: PlannerSettings = { ...plain, repair, hoursQuery: 'h' }

/** The window that `plain` opens at T with the high watermark an hour before. */
const hourly: OpenWindow = { start: T - HOUR - OVERLAP, end: T - LAG, query: 'q', pages: 0, records: 0, sweep: false }
const onSecondPage: OpenWindow = { ...hourly, asOf: T - LAG, pages: 1, records: 10, cursor: '"c1"' }
const known = { query: 'h', first: T - 3 * HOUR, counts: [4, 5] }
/** A day after the latest reconciliation, with nothing newer to read. */
const dayLater: Checkpoint = { highWatermark: T - LAG, repaired: T - DAY, known, open: [] }

const openNow: PlannerEvent = { type: 'openWindow', now: T, reference: T, reached: T, isKnown: true }
const lastPage: PlannerEvent = { type: 'pageRead', now: T, proven: Infinity, records: 3, next: undefined }

interface Row {
  readonly name: string
  readonly checkpoint: Checkpoint
  readonly event: PlannerEvent
  readonly expected: Checkpoint
  /** Default: `plain`. */
  readonly settings?: PlannerSettings
  /** The rest of the state before the event. */
  readonly state?: Partial<PlannerState>
  /** Default: none. */
  readonly effects?: readonly PlannerEffect[]
  /** Changes of the rest of the state. */
  readonly changes?: Partial<PlannerState>
}

const rows: readonly Row[] = [
  // resume
  {
    name: 'resume keeps an open window of the same query',
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { type: 'resume' },
    expected: { highWatermark: T - HOUR, open: [onSecondPage] },
  },
  {
    name: 'resume drops an open window of another query',
    checkpoint: { highWatermark: T - HOUR, open: [{ ...onSecondPage, query: 'old' }] },
    event: { type: 'resume' },
    expected: { highWatermark: T - HOUR, open: [] },
    effects: [log('source.window.query-changed')],
  },
  {
    name: 'resume drops hourly counts of another query, and keeps the window',
    settings: reconciling,
    checkpoint: { ...dayLater, known: { ...known, query: 'old' }, open: [{ ...onSecondPage, hours: known }] },
    event: { type: 'resume' },
    expected: {
      highWatermark: T - LAG,
      repaired: undefined,
      known: undefined,
      open: [{ ...onSecondPage, hours: undefined }],
    },
  },

  // openWindow
  {
    name: 'the first window begins at since and ends one settling delay before now',
    checkpoint: { open: [] },
    event: openNow,
    expected: {
      highWatermark: T - DAY,
      known: undefined,
      open: [{ start: T - DAY, end: T - LAG, query: 'q', pages: 0, records: 0, sweep: false }],
    },
  },
  {
    name: 'a later window overlaps the one before',
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, known: undefined, open: [hourly] },
  },
  {
    name: 'a window is no longer than step',
    settings: { ...plain, window: { ...window, step: 10 * MINUTE } },
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, known: undefined, open: [{ ...hourly, end: T - 50 * MINUTE }] },
  },
  {
    name: 'a window does not reach past until',
    settings: { ...plain, until: T - 30 * MINUTE },
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, known: undefined, open: [{ ...hourly, end: T - 30 * MINUTE }] },
  },
  {
    name: 'no window is due within the settling delay',
    checkpoint: { highWatermark: T - LAG, open: [] },
    event: openNow,
    expected: { highWatermark: T - LAG, open: [] },
  },
  {
    name: 'a first window that is shorter than the settling delay waits for its time, from the first plan on',
    settings: { ...plain, window: { ...window, since: '1m' } },
    checkpoint: { open: [] },
    event: openNow,
    expected: { open: [] },
    changes: { readTo: undefined, first: { at: T - MINUTE, isKnown: true } },
  },
  {
    name: 'a first window that has waited begins where it was first planned',
    settings: { ...plain, window: { ...window, since: '1m' } },
    state: { first: { at: T - 10 * MINUTE, isKnown: true } },
    checkpoint: { open: [] },
    event: openNow,
    expected: {
      highWatermark: T - 10 * MINUTE,
      known: undefined,
      open: [{ start: T - 10 * MINUTE, end: T - LAG, query: 'q', pages: 0, records: 0, sweep: false }],
    },
  },
  {
    name: 'a first window that was planned with our clock waits for the time of the API',
    settings: { ...plain, window: { ...window, since: '1m' } },
    state: { first: { at: T + HOUR, isKnown: false } },
    checkpoint: { open: [] },
    event: openNow,
    expected: { open: [] },
    changes: { readTo: undefined, first: { at: T - MINUTE, isKnown: true } },
  },
  {
    name: 'a window that turns out to end in the future is planned again',
    checkpoint: { highWatermark: T - HOUR, open: [{ ...hourly, end: T + DAY }] },
    event: openNow,
    expected: { highWatermark: T - HOUR, known: undefined, open: [hourly] },
  },
  {
    name: 'a window that turns out not to be due is dropped',
    checkpoint: { highWatermark: T - LAG, open: [{ ...hourly, end: T + DAY }] },
    event: openNow,
    expected: { highWatermark: T - LAG, open: [] },
  },
  {
    name: 'a look-back is due when sweepEvery has passed since the latest one',
    settings: lookBack,
    checkpoint: { highWatermark: T - HOUR, swept: T - 15 * MINUTE, open: [] },
    event: openNow,
    expected: {
      highWatermark: T - HOUR,
      swept: T - 15 * MINUTE,
      known: undefined,
      open: [{ ...hourly, start: T - 3 * HOUR, sweep: true }],
    },
  },
  {
    name: 'every window looks back with sweepEvery 0s, even if the API time has gone back by a second',
    settings: { ...lookBack, window: { ...window, sweep: 2 * HOUR, sweepEvery: 0 } },
    checkpoint: { highWatermark: T - HOUR, swept: T + SECOND, open: [] },
    event: openNow,
    expected: {
      highWatermark: T - HOUR,
      swept: T + SECOND,
      known: undefined,
      open: [{ ...hourly, start: T - 3 * HOUR, sweep: true }],
    },
  },
  {
    name: 'between two look-backs a window has only the overlap',
    settings: lookBack,
    checkpoint: { highWatermark: T - HOUR, swept: T - 14 * MINUTE, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, swept: T - 14 * MINUTE, known: undefined, open: [hourly] },
  },
  {
    name: 'a high watermark beyond retention moves to the edge, and the gap is logged',
    settings: retention,
    checkpoint: { highWatermark: T - 20 * DAY, open: [] },
    event: openNow,
    expected: {
      highWatermark: T - 10 * DAY + EDGE_MARGIN,
      known: undefined,
      open: [{ ...hourly, start: T - 10 * DAY + EDGE_MARGIN }],
    },
    effects: [
      log('source.gap', {
        from: iso(T - 20 * DAY),
        to: iso(T - 10 * DAY + EDGE_MARGIN),
      }),
    ],
  },
  {
    name: 'without time windows one query without a time range is opened',
    settings: noWindows,
    checkpoint: { open: [] },
    event: openNow,
    expected: { open: [{ query: 'q', pages: 0, records: 0 }] },
  },

  // clocks
  {
    name: 'since is relative to the API time, also if our clock is slow',
    checkpoint: { open: [] },
    event: { ...openNow, reference: T + HOUR },
    expected: {
      highWatermark: T + HOUR - DAY,
      known: undefined,
      open: [{ start: T + HOUR - DAY, end: T - LAG, query: 'q', pages: 0, records: 0, sweep: false }],
    },
  },
  {
    name: 'the checkpoint before a window is remembered until the API time is known',
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: { ...openNow, isKnown: false },
    expected: { highWatermark: T - HOUR, known: undefined, open: [hourly] },
    changes: { unsure: { highWatermark: T - HOUR, open: [] } },
  },
  {
    name: 'a first window that was planned with a fast clock is planned again',
    state: { unsure: { open: [] } },
    checkpoint: { highWatermark: T, open: [{ ...hourly, start: T, end: T + DAY - LAG }] },
    event: { ...openNow, type: 'timeLearned' },
    expected: {
      highWatermark: T - DAY,
      known: undefined,
      open: [{ start: T - DAY, end: T - LAG, query: 'q', pages: 0, records: 0, sweep: false }],
    },
    effects: [
      log('source.window.clock', {
        from: iso(T - DAY),
        to: iso(T - LAG),
      }),
    ],
    changes: { unsure: undefined },
  },
  {
    name: 'a window that is not due by the time of the API is planned again once',
    state: { unsure: { highWatermark: T, open: [] } },
    checkpoint: { highWatermark: T, open: [{ ...hourly, start: T, end: T + HOUR }] },
    event: { ...openNow, type: 'timeLearned' },
    expected: { highWatermark: T, open: [] },
    effects: [log('source.window.clock', {})],
    changes: { unsure: undefined, readTo: undefined },
  },
  {
    name: 'a window that was planned with a correct clock stays',
    state: { unsure: { highWatermark: T - HOUR, open: [] } },
    checkpoint: { highWatermark: T - HOUR, open: [hourly] },
    event: { ...openNow, type: 'timeLearned', reached: T - SECOND },
    expected: { highWatermark: T - HOUR, open: [hourly] },
    changes: { unsure: undefined },
  },
  {
    name: 'without the API time the high watermark stops one settling delay before the proven time',
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { ...lastPage, proven: T - 30 * MINUTE },
    expected: { highWatermark: T - 35 * MINUTE, swept: undefined, open: [] },
    changes: { readTo: T - LAG },
  },
  {
    name: 'without any proof the high watermark stays',
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { ...lastPage, proven: -Infinity },
    expected: { highWatermark: T - HOUR, swept: undefined, open: [] },
    changes: { readTo: T - LAG },
  },
  {
    name: 'the next window of a pass begins where the one before ended, and leaves the high watermark',
    state: { readTo: T - 30 * MINUTE },
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: {
      highWatermark: T - HOUR,
      known: undefined,
      open: [{ ...hourly, start: T - 30 * MINUTE - OVERLAP }],
    },
  },
  {
    name: 'the next pass begins at the high watermark',
    state: { readTo: T - LAG },
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, open: [] },
    changes: { readTo: undefined },
  },
  {
    name: 'resume drops a window after the high watermark, since events before it may be unread',
    checkpoint: { highWatermark: T - HOUR, open: [{ ...onSecondPage, start: T - 30 * MINUTE }] },
    event: { type: 'resume' },
    expected: { highWatermark: T - HOUR, open: [] },
  },

  // counts
  {
    name: 'a new window requests its count',
    settings: counting,
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, known: undefined, open: [hourly] },
    effects: [{ type: 'countWindow', range: { start: T - HOUR - OVERLAP, end: T - LAG } }],
  },
  {
    name: 'a new window without count requests its hourly counts at once',
    settings: reconciling,
    checkpoint: { highWatermark: T - HOUR, open: [] },
    event: openNow,
    expected: { highWatermark: T - HOUR, known: { query: 'h', first: T - HOUR, counts: [] }, open: [hourly] },
    effects: [{ type: 'countHours', range: { start: T - HOUR - OVERLAP, end: T - LAG } }],
  },
  {
    name: 'a count is kept in the window, and hourly counts are requested next',
    settings: { ...reconciling, count },
    checkpoint: { highWatermark: T - HOUR, known, open: [hourly] },
    event: { type: 'windowCounted', now: T, count: 7 },
    expected: { highWatermark: T - HOUR, known, open: [{ ...hourly, counted: 7 }] },
    effects: [{ type: 'countHours', range: { start: T - HOUR - OVERLAP, end: T - LAG } }],
  },
  {
    name: 'hourly counts reach back no further than the reconciliation, and not into the future',
    settings: { ...reconciling, count },
    checkpoint: { highWatermark: T - 9 * DAY, known, open: [{ ...hourly, start: T - 9 * DAY, end: T + HOUR }] },
    event: { type: 'windowCounted', now: T, count: undefined },
    expected: {
      highWatermark: T - 9 * DAY,
      known,
      open: [{ ...hourly, start: T - 9 * DAY, end: T + HOUR, counted: undefined }],
    },
    effects: [{ type: 'countHours', range: { start: T - 3 * DAY, end: T } }],
  },
  {
    name: 'hourly counts are kept in the window',
    settings: reconciling,
    checkpoint: { highWatermark: T - HOUR, known, open: [hourly] },
    event: { type: 'hoursCounted', hours: { first: T - HOUR, counts: [3] } },
    expected: { highWatermark: T - HOUR, known, open: [{ ...hourly, hours: { first: T - HOUR, counts: [3] } }] },
  },

  // pageRead
  {
    name: 'a page that is not the last keeps the window open, with the cursor and the time of the first page',
    checkpoint: { highWatermark: T - HOUR, open: [hourly] },
    event: { type: 'pageRead', now: T, proven: Infinity, records: 10, next: { cursor: '"c1"' } },
    expected: { highWatermark: T - HOUR, open: [onSecondPage] },
  },
  {
    name: 'a later page does not change the time of the first one',
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { type: 'pageRead', now: T + HOUR, proven: Infinity, records: 5, next: { cursor: '"c2"' } },
    expected: { highWatermark: T - HOUR, open: [{ ...onSecondPage, pages: 2, records: 15, cursor: '"c2"' }] },
  },
  {
    name: 'the last page moves the high watermark to the end of the window',
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: lastPage,
    expected: { highWatermark: T - LAG, swept: undefined, open: [] },
  },
  {
    name: 'the high watermark stays one settling delay before the first page',
    checkpoint: { highWatermark: T - HOUR, open: [{ ...hourly, end: T + HOUR }] },
    event: lastPage,
    expected: { highWatermark: T - LAG, swept: undefined, open: [] },
  },
  {
    name: 'the high watermark never moves back',
    checkpoint: { highWatermark: T, open: [hourly] },
    event: lastPage,
    expected: { highWatermark: T, swept: undefined, open: [] },
  },
  {
    name: 'a complete look-back is dated by its first page',
    settings: lookBack,
    checkpoint: { highWatermark: T - HOUR, swept: T - DAY, open: [{ ...onSecondPage, sweep: true }] },
    event: { ...lastPage, now: T + HOUR },
    expected: { highWatermark: T - LAG, swept: T, open: [] },
  },
  {
    name: 'without time windows the last page leaves an empty checkpoint',
    settings: noWindows,
    checkpoint: { open: [{ query: 'q', pages: 4, records: 40, cursor: '"c4"' }] },
    event: lastPage,
    expected: { highWatermark: undefined, swept: undefined, open: [] },
  },
  {
    name: 'a window with fewer records than counted is read once more, from its start',
    settings: counting,
    checkpoint: { highWatermark: T - HOUR, open: [{ ...onSecondPage, counted: 14 }] },
    event: lastPage,
    expected: {
      highWatermark: T - HOUR,
      open: [{ ...hourly, counted: 14, hours: undefined, again: true }],
    },
    effects: [
      log('source.window.again', {
        from: iso(T - HOUR - OVERLAP),
        to: iso(T - LAG),
        counted: 14,
        read: 13,
      }),
    ],
  },
  {
    name: 'a window that is still short the second time is closed, and the loss is logged',
    settings: counting,
    checkpoint: { highWatermark: T - HOUR, open: [{ ...onSecondPage, counted: 14, again: true }] },
    event: lastPage,
    expected: { highWatermark: T - LAG, swept: undefined, open: [] },
    effects: [
      log('source.window.short', {
        from: iso(T - HOUR - OVERLAP),
        to: iso(T - LAG),
        counted: 14,
        read: 13,
      }),
    ],
  },
  {
    name: 'the first complete window dates the first reconciliation, and its hourly counts become known',
    settings: reconciling,
    checkpoint: {
      highWatermark: T - 3 * HOUR,
      known: { query: 'h', first: T - 3 * HOUR, counts: [] },
      open: [{ ...onSecondPage, start: T - 3 * HOUR, hours: { first: T - 3 * HOUR, counts: [4, 5] } }],
    },
    event: lastPage,
    expected: { highWatermark: T - LAG, swept: undefined, repaired: T, known, open: [] },
  },
  {
    name: 'known hours older than the reconciliation reaches are forgotten',
    settings: reconciling,
    checkpoint: {
      highWatermark: T - HOUR,
      repaired: T - HOUR,
      known: { query: 'h', first: T - 4 * DAY, counts: Array.from({ length: 96 }, (_, at) => at) },
      open: [onSecondPage],
    },
    event: lastPage,
    expected: {
      highWatermark: T - LAG,
      swept: undefined,
      repaired: T - HOUR,
      known: { query: 'h', first: T - 3 * DAY, counts: Array.from({ length: 71 }, (_, at) => at + 24) },
      open: [],
    },
  },
  {
    name: 'a complete window resets the margin and the restarts',
    state: { margin: WIDE_EDGE_MARGIN, restarts: 2 },
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: lastPage,
    expected: { highWatermark: T - LAG, swept: undefined, open: [] },
    changes: { margin: EDGE_MARGIN, restarts: 0 },
  },

  // requestRefused
  ...[400, 410].map((status): Row => ({
    name: `a cursor that is refused with ${status} restarts the window`,
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { type: 'requestRefused', now: T, status },
    expected: { highWatermark: T - HOUR, open: [] },
    effects: [log('source.window.cursor', { status })],
    changes: { restarts: 1 },
  })),
  {
    name: 'the fourth refusal of a cursor is final',
    state: { restarts: 3 },
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { type: 'requestRefused', now: T, status: 400 },
    expected: { highWatermark: T - HOUR, open: [onSecondPage] },
  },
  {
    name: 'refused credentials do not restart a window',
    checkpoint: { highWatermark: T - HOUR, open: [onSecondPage] },
    event: { type: 'requestRefused', now: T, status: 401 },
    expected: { highWatermark: T - HOUR, open: [onSecondPage] },
  },
  {
    name: 'a refused start near the retention edge restarts the window with a wide margin',
    settings: retention,
    checkpoint: { highWatermark: T - 10 * DAY, open: [{ ...hourly, start: T - 10 * DAY + EDGE_MARGIN }] },
    event: { type: 'requestRefused', now: T, status: 400 },
    expected: { highWatermark: T - 10 * DAY, open: [] },
    changes: { margin: WIDE_EDGE_MARGIN },
  },
  {
    name: 'the wide margin is applied once',
    settings: retention,
    state: { margin: WIDE_EDGE_MARGIN },
    checkpoint: { highWatermark: T - 10 * DAY, open: [{ ...hourly, start: T - 10 * DAY + WIDE_EDGE_MARGIN }] },
    event: { type: 'requestRefused', now: T, status: 400 },
    expected: { highWatermark: T - 10 * DAY, open: [{ ...hourly, start: T - 10 * DAY + WIDE_EDGE_MARGIN }] },
  },
  {
    name: 'a refused start far from the retention edge is final',
    settings: retention,
    checkpoint: { highWatermark: T - HOUR, open: [hourly] },
    event: { type: 'requestRefused', now: T, status: 400 },
    expected: { highWatermark: T - HOUR, open: [hourly] },
  },

  // reconcile
  {
    name: 'no reconciliation begins within a day of the latest one',
    settings: reconciling,
    checkpoint: { ...dayLater, repaired: T - DAY + SECOND },
    event: { type: 'reconcile', now: T },
    expected: { ...dayLater, repaired: T - DAY + SECOND },
  },
  {
    name: 'no reconciliation begins without known hours',
    checkpoint: { highWatermark: T - LAG, open: [] },
    event: { type: 'reconcile', now: T },
    expected: { highWatermark: T - LAG, open: [] },
  },
  {
    name: 'a day later the counts of all known hours are requested',
    settings: reconciling,
    checkpoint: dayLater,
    event: { type: 'reconcile', now: T },
    expected: dayLater,
    effects: [{ type: 'compareHours', range: { start: T - 3 * HOUR, end: T - HOUR } }],
  },
  {
    name: 'equal counts end the reconciliation, and the checkpoint is emitted',
    settings: reconciling,
    checkpoint: dayLater,
    event: { type: 'hoursCompared', now: T, hours: { first: T - 3 * HOUR, counts: [4, 5] } },
    expected: { ...dayLater, repaired: T },
    effects: [{ type: 'emitCheckpoint' }],
  },
  {
    name: 'an hour whose count differs is opened as a window of its own',
    settings: reconciling,
    checkpoint: dayLater,
    event: { type: 'hoursCompared', now: T, hours: { first: T - 3 * HOUR, counts: [4, 6] } },
    expected: {
      ...dayLater,
      open: [
        {
          start: T - 2 * HOUR,
          end: T - HOUR,
          query: 'q',
          pages: 0,
          records: 0,
          counted: 6,
          hours: { first: T - 2 * HOUR, counts: [6] },
        },
      ],
    },
    effects: [log('source.counts.changed', { hours: 1, from: iso(T - 2 * HOUR) })],
    changes: { changed: [{ hour: T - 2 * HOUR, count: 6 }] },
  },
  {
    name: 'an hour that was re-read is known by its new count, and is no longer due',
    settings: reconciling,
    state: { changed: [{ hour: T - 2 * HOUR, count: 6 }] },
    checkpoint: {
      ...dayLater,
      open: [
        {
          start: T - 2 * HOUR,
          end: T - HOUR,
          query: 'q',
          pages: 0,
          records: 3,
          counted: 6,
          hours: { first: T - 2 * HOUR, counts: [6] },
        },
      ],
    },
    event: lastPage,
    expected: { ...dayLater, swept: undefined, known: { ...known, counts: [4, 6] } },
    changes: { changed: [] },
  },
  {
    name: 'a reconciliation ends once every changed hour was re-read',
    settings: reconciling,
    state: { changed: [] },
    checkpoint: dayLater,
    event: { type: 'reconcile', now: T + HOUR },
    expected: { ...dayLater, repaired: T + HOUR },
    effects: [{ type: 'emitCheckpoint' }],
    changes: { changed: undefined },
  },
  {
    name: 'a changed hour that has passed the retention edge is skipped',
    settings: { ...reconciling, window: { ...window, retention: 3 * HOUR } },
    state: { changed: [{ hour: T - 3 * HOUR, count: 9 }] },
    checkpoint: dayLater,
    event: { type: 'reconcile', now: T },
    expected: { ...dayLater, repaired: T },
    effects: [{ type: 'emitCheckpoint' }],
    changes: { changed: undefined },
  },
]

for (const { name, settings = plain, checkpoint, state = {}, event, expected, effects = [], changes = {} } of rows) {
  void test(`planner: ${name}`, () => {
    const before: PlannerState = {
      ...startPlanner(checkpoint),
      changed: undefined,
      readTo: undefined,
      unsure: undefined,
      ...state,
    }
    const step = advance(before, event, settings)
    assert.deepEqual(step.effects, effects)
    assert.deepEqual(step.state, { ...before, ...changes, checkpoint: expected })
  })
}
