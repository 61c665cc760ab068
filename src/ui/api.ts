/*
 * The JSON API of `sluice ui`, version 1. The page uses it, scripts may. The shapes here are its OpenAPI
 * document and the types of both ends. Moments are milliseconds since 1970 and end in `At`. Members may be
 * added; changing or removing one makes a new version of the API.
 */
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { PipelineGraph } from '../inspect/graph/model.ts'
import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { count, problem } from './shapes.ts'
import type { ApiError } from './shapes.ts'

/** Where the API is, below the address of the page. */
export const API = '/api/v1'

const moment = (description: string) => Type.Optional(Type.Number({ description }))

/** A shape that another page documents. */
function documented<Shape>(description: string) {
  return Type.Unsafe<Shape>({ type: 'object', description, additionalProperties: true })
}

const ledger = Type.Object(
  {
    read: count('Read from the source.'),
    added: count('Added by transforms.'),
    written: count('Written, once each.'),
    dropped: count('Dropped by transforms and routes.'),
    duplicate: count('Recognised as already written.'),
    rejected: count('Sent to the dead-letter queue.'),
  },
  { description: 'Committed over the life of the state: read + added = written + dropped + duplicate + rejected.' },
)

const alert = Type.Object({
  alert: Type.String({ description: 'As in deploy/prometheus/alerts.yaml.' }),
  text: Type.String({ description: 'What is wrong, for people.' }),
})

export const pipelineRow = Type.Object({
  name: Type.String(),
  description: Type.Optional(Type.String()),
  isMissing: Type.Boolean({ description: 'There is a state or a run of this name, and no file in pipelines/.' }),
  errors: Type.Optional(count('In the pipeline file; absent until it is checked.')),
  warnings: Type.Optional(count('In the pipeline file; absent until it is checked.')),
  state: Type.Enum(['new', 'stopped', 'running', 'unreadable'], {
    description: '`new`: it has no state yet. `unreadable`: the state cannot be read, see `trouble`.',
  }),
  trouble: Type.Optional(Type.String({ description: 'Why the state cannot be read.' })),
  runState: Type.Optional(Type.String({ description: '`starting`, `reading`, `waiting`, `stopping` of a run.' })),
  bottleneck: Type.Optional(
    Type.Object(
      {
        stage: Type.String(),
        reason: Type.Enum(['work', 'network', 'rate-limit', 'retry', 'outbox', 'input'], {
          description: '`work`: its own; otherwise what it waits for.',
        }),
      },
      { description: 'The stage that the others of the run wait for; absent while they wait for input.' },
    ),
  ),
  committedAt: moment('The last commit.'),
  readUpToAt: moment('The event time up to which the source partition is committed that is furthest behind.'),
  ledger: Type.Optional(ledger),
  rejects: Type.Optional(count('In the dead-letter queue of the state folder.')),
  waiting: Type.Optional(
    Type.Object(
      { objects: count('Objects.'), bytes: count('Bytes.') },
      { description: 'Committed, and not published yet.' },
    ),
  ),
  recordsPerSecond: Type.Optional(Type.Number({ description: 'Read, over the last seconds of a run.' })),
  sparkline: Type.Array(Type.Number(), {
    description: 'Records per second, a number for each second, the latest last.',
  }),
  alerts: Type.Array(alert, { description: 'The alerts that would fire, as far as one look can say.' }),
})

export type PipelineRow = Static<typeof pipelineRow>

const storedObject = Type.Object({
  sink: Type.String(),
  key: Type.String({ description: 'The key in the bucket, or the path below the folder of a file sink.' }),
  epoch: Type.Integer(),
  records: count('Records.'),
  bytes: count('As stored.'),
  publishedAt: moment('Absent while it waits in the outbox.'),
})

export const pipelineDetail = Type.Object({
  row: pipelineRow,
  problems: Type.Array(problem, { description: 'Of the pipeline file; empty until it is checked.' }),
  graph: Type.Optional(
    documented<PipelineGraph>('What `sluice graph` draws; absent while the file has errors. Values as written.'),
  ),
  partitions: Type.Array(
    Type.Object({
      partition: Type.String({ description: 'A source partition: `jumpcloud:acme`.' }),
      tenant: Type.Optional(
        Type.String({ description: 'Of the pipeline file as it is now; absent for others, and without tenants.' }),
      ),
      isCommitted: Type.Boolean({ description: 'False: a tenant of which nothing is committed yet.' }),
      readUpToAt: moment('The committed event time, if the source knows it.'),
      detail: Type.Optional(Type.String({ description: 'For people: a window that is open, a byte offset.' })),
    }),
    { description: 'Committed positions, and tenants without one.' },
  ),
  objects: Type.Array(storedObject, { description: 'The last ones, the latest first: waiting, then published.' }),
  epochs: count('Commits over the life of the state.'),
  lastEpochs: Type.Array(
    Type.Object({
      epoch: Type.Integer(),
      objects: count('Objects, of all sinks.'),
      waiting: count('Of these, those that are not published yet.'),
      records: count('In all objects: what two sinks get counts twice.'),
      bytes: count('As stored.'),
      publishedAt: moment('When the last object was published; absent while one waits.'),
    }),
    { description: 'The last 20 commits that made objects, the latest first; fewer if they made thousands.' },
  ),
  lastRun: Type.Optional(
    Type.Object(
      {
        snapshot: documented<StatusSnapshot>('Its last status, as docs/watch-a-run.md describes it.'),
        endedAt: Type.Number({ description: 'Milliseconds since 1970.' }),
        why: Type.String({ description: 'For people.' }),
      },
      { description: 'The last run that has ended while the page was served; absent while another one runs.' },
    ),
  ),
})

export type PipelineDetail = Static<typeof pipelineDetail>

/** Samples of a run, one a second, for charts: columns of equal length. */
export const series = Type.Object({
  at: Type.Array(Type.Number(), { description: 'Milliseconds since 1970.' }),
  recordsPerSecond: Type.Array(Type.Number()),
  bytesPerSecond: Type.Array(Type.Number()),
  freshnessSeconds: Type.Array(Type.Union([Type.Number(), Type.Null()]), {
    description: 'Null where no source partition knows event times.',
  }),
  latenessSeconds: Type.Array(Type.Union([Type.Number(), Type.Null()]), {
    description: 'How far what is read, committed or not, is behind the present. Null as for freshness.',
  }),
  waitingBytes: Type.Array(Type.Number(), { description: 'In the outboxes.' }),
  rejected: Type.Array(Type.Number(), { description: 'Committed in the run so far.' }),
  rejects: Type.Record(Type.String(), Type.Array(Type.Number()), {
    description: 'The same by code: a column for each of the ten codes with most rejects.',
  }),
})

export type Series = Static<typeof series>

export const logLine = Type.Object({
  run: Type.String({ description: 'Id of the run.' }),
  number: count('Of the line in its run, from 1: a gap is lines that were not sent in time, or are not kept.'),
  at: Type.Number({ description: 'Milliseconds since 1970.' }),
  level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error']),
  code: Type.String({ description: 'As in docs/log.md.' }),
  stage: Type.Optional(Type.String({ description: 'The stage that it is about.' })),
  message: Type.String(),
  facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
    description: 'Those that the message does not name.',
  }),
})

export type ApiLogLine = Static<typeof logLine>

export const project = Type.Object({
  version: Type.String({ description: 'Of Sluice.' }),
  folder: Type.String({ description: 'Name of the project folder.' }),
  canEdit: Type.Boolean({ description: 'It was started with `--edit`.' }),
  now: Type.Number({ description: 'The time of the server, in milliseconds since 1970.' }),
})

export type ProjectInfo = Static<typeof project>

/** Messages of `/live`: the name of each event, and its data. */
export interface LiveEvents {
  /** Each second, if something has changed. */
  readonly overview: { readonly pipelines: readonly PipelineRow[] }
  /** In place of the overview: why there is none. */
  readonly failed: ApiError
  /** With `?pipeline=`, twice a second while it runs. */
  readonly status: { readonly pipeline: string; readonly snapshot: StatusSnapshot }
  /** With `?pipeline=`: first the kept lines of its log, then new ones. The oldest first. */
  readonly log: { readonly pipeline: string; readonly lines: readonly ApiLogLine[] }
  /** With `?pipeline=`: its run is over, and why for people. */
  readonly ended: { readonly pipeline: string; readonly why: string }
}

/** As docs/watch-a-run.md describes it. */
export type { ApiError, ApiProblem } from './shapes.ts'
export type { StatusSnapshot } from '../observe/status/snapshot.ts'
export type { Bottleneck, SinkStatus } from '../observe/status/snapshot.ts'
export type { GraphNode, PipelineGraph } from '../inspect/graph/model.ts'
