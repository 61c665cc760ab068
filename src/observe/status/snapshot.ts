import { Type } from 'typebox'
import { OUTCOMES } from '../report.ts'
import { count } from '../shapes.ts'
import type { TypeOf } from '../shapes.ts'

const perSecond = (description = 'Over `windowSeconds`.') => Type.Number({ minimum: 0, description })

const stored = (description: string) =>
  Type.Object({ objects: count('Objects.'), bytes: count('As stored.') }, { description })

const read = Type.Object(
  {
    records: count('Records.'),
    bytes: count('As stored, before decompression.'),
    recordsPerSecond: perSecond(),
    bytesPerSecond: perSecond(),
    totalBytes: Type.Optional(count('If the source knows it.')),
    secondsLeft: Type.Optional(Type.Number({ description: 'Of a source that knows `totalBytes`.' })),
    fromAt: Type.Optional(Type.Number({ description: 'The event time at which the run began to read, if known.' })),
    readUpToAt: Type.Optional(
      Type.Number({ description: 'The event time up to which the source partition is read that is last, if known.' }),
    ),
    share: Type.Optional(Type.Number({ description: 'Of the time from `fromAt` until now, 0 to 1.' })),
  },
  { description: 'What was read in this run, committed or not.' },
)

const stage = Type.Object({
  stage: Type.String({ description: 'As in messages and reports.' }),
  type: Type.String(),
  kind: Type.Enum(['source', 'transform', 'delivery']),
  recordsPerSecond: perSecond('That have arrived; of the source, that were read.'),
  bytesPerSecond: perSecond(),
  share: Type.Number({
    description:
      'Share of the time that the stage took, 0 to 1, waits for its own work included. Of the source: all the time in which no other stage was at work.',
  }),
})

export type StageStatus = TypeOf<typeof stage>

export const bottleneckReason = Type.Enum(['work', 'network', 'rate-limit', 'retry', 'outbox', 'input'], {
  description: '`work`: its own; otherwise what it waits for.',
})

const bottleneck = Type.Object(
  { stage: Type.String(), reason: bottleneckReason, share: Type.Number({ description: 'Of the time, 0 to 1.' }) },
  { description: 'The stage that the others wait for; absent while nothing is measured.' },
)

export type Bottleneck = TypeOf<typeof bottleneck>

/** What was committed. @param over of what, for people: `in this run` */
export const ledgerOf = (over: string) =>
  Type.Object(
    {
      read: count('Read from the source.'),
      added: count('Added by transforms.'),
      written: count('Written, once each.'),
      dropped: count('Dropped by transforms and routes.'),
      duplicate: count('Recognised as already written.'),
      rejected: count('Sent to the dead-letter queue.'),
    },
    { description: `Committed ${over}: read + added = written + dropped + duplicate + rejected.` },
  )

const freshness = Type.Object({
  partitions: count('How many source partitions say up to which event time they are read.'),
  behind: Type.Array(
    Type.Object({
      partition: Type.String({ description: 'A source partition.' }),
      readUpToAt: Type.Number(),
      seconds: Type.Number({ description: 'How far that is behind the present.' }),
    }),
    { description: 'The ones that are furthest behind the present, the worst first. Committed positions.' },
  ),
})

export type FreshnessStatus = TypeOf<typeof freshness>

const requests = Type.Object(
  {
    count: count('With and without a response.'),
    failed: count('Those without a response, or with another status than 2xx, 304 and 429.'),
  },
  { description: 'To an HTTP API and for its tokens, in this run; absent before the first one.' },
)

export type RequestsStatus = TypeOf<typeof requests>

const sink = Type.Object({
  sink: Type.String({ description: 'As in the report.' }),
  type: Type.String(),
  records: count('Committed in this run.'),
  objects: count('Committed in this run.'),
  bytes: count('Committed in this run.'),
  published: stored('Published in this run, those of earlier runs included.'),
  waiting: stored('In the outbox.'),
  isFull: Type.Boolean({ description: 'The outbox.' }),
  maxBytes: Type.Optional(Type.Number({ description: 'The budget of the outbox, at which reading stops.' })),
  retries: count('Attempts that failed since the last object was published.'),
  code: Type.Optional(Type.String({ description: 'Why the last attempt failed.' })),
})

export type SinkStatus = TypeOf<typeof sink>

const publishedObject = Type.Object({
  at: Type.Number(),
  sink: Type.String(),
  key: Type.String(),
  records: count('Records.'),
  bytes: count('As stored.'),
})

export type PublishedObject = TypeOf<typeof publishedObject>

const note = Type.Object({ at: Type.Number(), message: Type.String() })

export type StatusNote = TypeOf<typeof note>

const shards = Type.Object(
  {
    shards: count('Shards.'),
    done: count('Shards.'),
    executing: count('Shards.'),
    waiting: count('Shards.'),
    failed: count('Shards.'),
    bytes: count('Of all shards.'),
    doneBytes: count('Of the shards that are done.'),
    partialBytes: count('What was read of the shards that are executed now.'),
    bytesPerSecond: perSecond(),
    secondsLeft: Type.Optional(Type.Number()),
    executions: Type.Array(
      Type.Object({
        shard: Type.Integer(),
        worker: Type.String(),
        records: count('Read so far.'),
        bytes: count('Read so far.'),
      }),
      { description: 'Executions under way, as far as they report.' },
    ),
  },
  { description: 'Of a parallel backfill.' },
)

export type ShardsStatus = TypeOf<typeof shards>

export const statusSnapshot = Type.Object(
  {
    version: Type.Literal(1),
    pipeline: Type.String(),
    run: Type.String({ description: 'Id of the run.' }),
    pid: Type.Integer(),
    host: Type.String(),
    takenAt: Type.Number(),
    startedAt: Type.Number(),
    state: Type.Enum(['starting', 'reading', 'waiting', 'stopping', 'ended'], {
      description:
        '`starting`: opens the state and publishes what an earlier run left. `waiting`: every outbox must have space again before more is read.',
    }),
    outcome: Type.Optional(Type.Enum(OUTCOMES, { description: 'At the end of the run, as in its report.' })),
    code: Type.Optional(Type.String({ description: 'At the end of the run: of the error.' })),
    windowSeconds: Type.Number({
      description: 'Seconds over which rates and shares are measured; 0 before there are two measurements.',
    }),
    read,
    stages: Type.Array(stage, { description: 'The source, the transforms in their order, and the delivery.' }),
    bottleneck: Type.Optional(bottleneck),
    ledger: ledgerOf('in this run'),
    rejects: Type.Record(Type.String(), count('Records.'), {
      description: 'Rejected records by code, the most frequent codes.',
    }),
    commits: Type.Object({
      count: count('In this run.'),
      lastAt: Type.Optional(Type.Number()),
      lastMilliseconds: Type.Optional(Type.Number({ description: 'How long the last one took.' })),
    }),
    freshness,
    dedup: Type.Optional(
      Type.Object(
        {
          keys: count('Dedup keys.'),
          bytes: count('Of memory.'),
          maxBytes: Type.Number({ description: 'The budget.' }),
        },
        { description: 'The dedup keys in memory, and their budget; absent without a `dedup`.' },
      ),
    ),
    deadLetters: Type.Optional(
      Type.Object(
        {
          records: count('Rejects.'),
          bytes: count('As stored.'),
          maxBytes: Type.Optional(Type.Number({ description: 'At which the oldest rejects are deleted.' })),
        },
        { description: 'The dead-letter queue in the state folder; absent without a state.' },
      ),
    ),
    requests: Type.Optional(requests),
    clockAheadSeconds: Type.Optional(
      Type.Number({
        description:
          'How far the clock of this machine is ahead of that of the API or the store, whichever differs more; ' +
          'negative if it is slow. Absent if neither has sent its time.',
      }),
    ),
    sinks: Type.Array(sink),
    objects: Type.Array(publishedObject, { description: 'The last published objects, the latest first.' }),
    notes: Type.Array(note, {
      description: 'The last lines of the log with the level `warn` or `error`, the latest first.',
    }),
    shards: Type.Optional(shards),
  },
  {
    description:
      'What a run does: `sluice top --json` prints it, the live view draws it. Times are milliseconds since 1970 where a name ends in `At`; rates and shares are those of the last seconds (`windowSeconds`). Lists are bounded. New members may come; `version` rises if one is changed or removed.',
  },
)

/** What a run does, as plain JSON. */
export type StatusSnapshot = TypeOf<typeof statusSnapshot>
