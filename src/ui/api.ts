/*
 * The JSON API of `sluice ui`, version 1. The page uses it, scripts may. The shapes here are its OpenAPI
 * document and the types of both ends. Moments are milliseconds since 1970 and end in `At`. Members may be
 * added; changing or removing one makes a new version of the API.
 */
import { Type } from 'typebox'
import { pipelineGraph } from '../inspect/graph/shape.ts'
import { count } from '../observe/shapes.ts'
import type { TypeOf } from '../observe/shapes.ts'
import { bottleneckReason, ledgerOf, statusSnapshot } from '../observe/status/snapshot.ts'
import { failure, named, problem, reference } from './shapes.ts'

/** Where the API is, below the address of the page. */
export const API = '/api/v1'

const moment = (description: string) => Type.Optional(Type.Number({ description }))

const status = named('StatusSnapshot', statusSnapshot)
const graph = named('PipelineGraph', pipelineGraph)

const alert = Type.Object({
  alert: Type.String({ description: 'As in deploy/prometheus/alerts.yaml.' }),
  text: Type.String({ description: 'What is wrong, for people.' }),
})

export const pipelineRow = named(
  'PipelineRow',
  Type.Object({
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
        { stage: Type.String(), reason: bottleneckReason },
        { description: 'The stage that the others of the run wait for; absent while they wait for input.' },
      ),
    ),
    committedAt: moment('The last commit.'),
    readUpToAt: moment('The event time up to which the source partition is committed that is furthest behind.'),
    ledger: Type.Optional(ledgerOf('over the life of the state')),
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
  }),
)

export type PipelineRow = TypeOf<typeof pipelineRow>

const storedObject = Type.Object({
  sink: Type.String(),
  key: Type.String({ description: 'The key in the bucket, or the path below the folder of a file sink.' }),
  epoch: Type.Integer(),
  records: count('Records.'),
  bytes: count('As stored.'),
  publishedAt: moment('Absent while it waits in the outbox.'),
})

export const pipelineDetail = Type.Object({
  row: reference(pipelineRow),
  problems: Type.Array(reference(problem), { description: 'Of the pipeline file; empty until it is checked.' }),
  graph: Type.Optional(reference(graph)),
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
        snapshot: reference(status),
        endedAt: Type.Number({ description: 'Milliseconds since 1970.' }),
        why: Type.String({ description: 'For people.' }),
      },
      { description: 'The last run that has ended while the page was served; absent while another one runs.' },
    ),
  ),
})

export type PipelineDetail = TypeOf<typeof pipelineDetail>

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

export type Series = TypeOf<typeof series>

export const logLine = named(
  'LogLine',
  Type.Object({
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
  }),
)

export type ApiLogLine = TypeOf<typeof logLine>

export const project = Type.Object({
  version: Type.String({ description: 'Of Sluice.' }),
  folder: Type.String({ description: 'Name of the project folder.' }),
  canEdit: Type.Boolean({ description: 'It was started with `--edit`.' }),
  now: Type.Number({ description: 'The time of the server, in milliseconds since 1970.' }),
})

export type ProjectInfo = TypeOf<typeof project>

const events = {
  overview: Type.Object(
    { pipelines: Type.Array(reference(pipelineRow)) },
    { description: 'Each second, if something has changed.' },
  ),
  failed: reference(failure),
  status: Type.Object(
    { pipeline: Type.String(), snapshot: reference(status) },
    { description: 'With `?pipeline=`: twice a second while it runs.' },
  ),
  log: Type.Object(
    { pipeline: Type.String(), lines: Type.Array(reference(logLine)) },
    { description: 'With `?pipeline=`: first the kept lines of its log, then new ones. The oldest first.' },
  ),
  ended: Type.Object(
    { pipeline: Type.String(), why: Type.String({ description: 'For people.' }) },
    { description: 'With `?pipeline=`: its run is over.' },
  ),
}

/** What `/live` sends: the name of each event, and its data. */
export type LiveEvents = { readonly [Name in keyof typeof events]: TypeOf<(typeof events)[Name]> }

/** The lines of an event: its name, and its data as JSON. */
export const liveEvent = named(
  'LiveEvent',
  Type.Union(
    Object.entries(events).map(([event, data]) => Type.Object({ event: Type.Literal(event), data })),
    { description: 'A server-sent event. `failed` comes in place of `overview`, if there is none.' },
  ),
)

/** The shapes that the OpenAPI document has by name. */
export const NAMED = [failure, problem, status, graph, pipelineRow, logLine, liveEvent]

export type { ApiError, ApiProblem } from './shapes.ts'
export type { Bottleneck, SinkStatus, StatusSnapshot } from '../observe/status/snapshot.ts'
export type { GraphNode, PipelineGraph } from '../inspect/graph/shape.ts'
