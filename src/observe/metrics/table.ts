/** How a metric is declared. docs/metrics.md is generated from all of them. */
interface MetricDeclaration {
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** `state`: counted at commit, and restored from the state at a start. `process`: begins at 0 with the process. */
  readonly since: 'state' | 'process' | 'now'
  /** Besides `pipeline`, which all have but that of the process. */
  readonly labels: readonly string[]
  readonly help: string
  /** Upper bounds. */
  readonly buckets?: readonly number[]
  /** It is about the process, and has no `pipeline`. */
  readonly isOfProcess?: true
}

/** Upper bounds of the delays of late records in seconds, by their names in `Report.late`. */
export const DELAYS: { readonly [delay: string]: number } = {
  '5m': 300,
  '15m': 900,
  '1h': 3600,
  '2h': 7200,
  '6h': 21_600,
  '1d': 86_400,
  '7d': 604_800,
  longer: Infinity,
}

const QUICK = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const SLOW = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]

/** The metrics of a process, by name. */
export const METRICS = {
  sluice_records_read_total: counted('Records read from the source.'),
  sluice_records_added_total: counted('Records made by transforms.'),
  sluice_records_written_total: counted('Records written; what several sinks get counts once.'),
  sluice_records_duplicate_total: counted('Records whose key was already written.'),
  sluice_records_dropped_total: counted('Records dropped on purpose.', ['reason']),
  sluice_records_rejected_total: counted('Records rejected.', ['code']),
  sluice_sink_records_total: counted('Records written to a sink. `rejects`: copies of rejects.', ['sink']),
  sluice_lateness_seconds: {
    type: 'histogram',
    since: 'state',
    labels: [],
    help: 'Delay of written records whose time had been read before. The sum takes each delay as the bound of its bucket.',
    buckets: Object.values(DELAYS).filter((bound) => bound !== Infinity),
  },

  sluice_source_records_total: rising('Records read.', ['partition']),
  sluice_source_bytes_total: rising('Bytes read, before decompression.', ['partition']),
  sluice_source_requests_total: rising('Requests to an HTTP API and for its tokens. `none`: no response.', ['status']),
  sluice_source_request_seconds: spread('Time from a request to the end of its response.', QUICK),
  sluice_source_retries_total: rising('Requests that failed and were sent again.', ['code']),
  sluice_source_rate_limit_waits_total: rising('Waits for a rate limit.'),
  sluice_source_rate_limit_wait_seconds_total: rising('Time of these waits.'),

  sluice_stage_records_in_total: rising('Live records before a transform, and on arrival at `delivery`.', ['stage']),
  sluice_stage_records_out_total: rising('Live records after a transform, from `source`, and written by `delivery`.', [
    'stage',
  ]),
  sluice_stage_records_added_total: rising('Records that a transform has made.', ['stage']),
  sluice_stage_records_dropped_total: rising('Records that a transform has dropped.', ['stage']),
  sluice_stage_records_rejected_total: rising('Records that a transform has rejected.', ['stage']),
  sluice_stage_bytes_in_total: rising('Bytes of the lines before a transform.', ['stage']),
  sluice_stage_bytes_out_total: rising('Bytes of the lines after a transform, and read from `source`.', ['stage']),
  sluice_stage_seconds_total: rising(
    'Time in a transform, in `delivery` (deduplication and outbox), and of waiting for the `source`.',
    ['stage'],
  ),

  sluice_commits_total: rising('Commits.'),
  sluice_commit_seconds: spread('Time of the steps of a commit.', QUICK),
  sluice_sink_objects_total: rising('Objects published.', ['sink']),
  sluice_sink_bytes_total: rising('Bytes published.', ['sink']),
  sluice_object_bytes: spread(
    'Size of a published object.',
    [1e3, 1e4, 1e5, 1e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9],
    ['sink'],
  ),
  sluice_publish_seconds: spread('Time from the first attempt of a run until an object is published.', SLOW, ['sink']),
  sluice_publish_retries_total: rising('Attempts to publish an object that failed.', ['sink', 'code']),
  sluice_store_requests_total: rising(
    'Requests to S3 and for its credentials, of the source and the sinks. `none`: no response.',
    ['stage', 'operation', 'status'],
  ),
  sluice_store_request_seconds: spread('Time from a request to S3 to the headers of its response.', QUICK, [
    'operation',
  ]),

  sluice_source_read_up_to_timestamp_seconds: now('Event time up to which everything is read and committed.', [
    'partition',
  ]),
  sluice_freshness_seconds: now('Now, minus the event time up to which everything is read and committed.', [
    'partition',
  ]),
  sluice_last_commit_timestamp_seconds: now('Time of the last commit.'),
  sluice_last_publish_timestamp_seconds: now('When this process last published an object.', ['sink']),
  sluice_outbox_objects: now('Objects that are committed and not published.', ['sink']),
  sluice_outbox_bytes: now('Bytes of them on the local disk.', ['sink']),
  sluice_outbox_max_bytes: now('Budget of the outbox, at which reading stops.', ['sink']),
  sluice_dedup_keys: now('Committed dedup keys, and marks of rejects.'),
  sluice_dedup_memory_bytes: now('Memory of the dedup keys.'),
  sluice_dedup_max_memory_bytes: now('Budget of that memory, at which the run stops.'),
  sluice_rejects_bytes: now('Bytes of the dead-letter queue in the state folder.'),
  sluice_rejects_max_bytes: now('Budget of the dead-letter queue, at which the oldest rejects are deleted.'),
  sluice_clock_skew_seconds: now('How far our clock is ahead of the clock of the API or the store, in whole seconds.'),
  sluice_run_active: now('1 while the pipeline runs.'),
  sluice_run_start_timestamp_seconds: now('When the run began.'),
  sluice_build_info: { ...now('1, with the versions of Sluice and Node.js.', ['version', 'node']), isOfProcess: true },
} as const satisfies { readonly [name: string]: MetricDeclaration }

type Named = typeof METRICS
type OfType<Type> = { [Name in keyof Named]: Named[Name]['type'] extends Type ? Name : never }[keyof Named]
export type CounterName = OfType<'counter'>
export type GaugeName = OfType<'gauge'>
export type HistogramName = OfType<'histogram'>

function counted(help: string, labels: readonly string[] = []) {
  return { type: 'counter', since: 'state', labels, help } as const
}

function rising(help: string, labels: readonly string[] = []) {
  return { type: 'counter', since: 'process', labels, help } as const
}

function spread(help: string, buckets: readonly number[], labels: readonly string[] = []) {
  return { type: 'histogram', since: 'process', labels, help, buckets } as const
}

function now(help: string, labels: readonly string[] = []) {
  return { type: 'gauge', since: 'now', labels, help } as const
}
