/*
 * The shapes of the dead-letter queue in the JSON API. Records are as they are stored: the redactions of the
 * pipeline are done.
 */
import { Type } from 'typebox'
import { count } from '../../observe/shapes.ts'
import type { TypeOf } from '../../observe/shapes.ts'

const id = Type.String({ pattern: String.raw`^\d{1,15}-\d{1,15}$`, description: 'Identifies a reject: `12-3`.' })

const filterMembers = {
  code: Type.Optional(Type.String({ description: 'Only rejects with this code.' })),
  stage: Type.Optional(Type.String({ description: 'Only rejects of this stage.' })),
  text: Type.Optional(
    Type.String({ maxLength: 1000, description: 'Only rejects whose stored line has this text, in any case.' }),
  ),
  since: Type.Optional(Type.Number({ description: 'Only rejects committed at this moment or later.' })),
  until: Type.Optional(Type.Number({ description: 'Only rejects committed before this moment.' })),
}

const rejectFilter = Type.Object({
  ...filterMembers,
  upTo: Type.Optional(id),
})

/** `upTo`: only this reject and older ones, so that a choice stays the same while others come. */
export type RejectFilter = TypeOf<typeof rejectFilter>

export const rejectQuery = Type.Object({
  ...filterMembers,
  after: Type.Optional(Type.String({ ...id, description: 'Only older rejects than this one: `next` of a page.' })),
  before: Type.Optional(
    Type.String({
      ...id,
      description: 'Only newer rejects than this one, and of these the oldest: `previous` of a page.',
    }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: 'Rejects of a page. Default: 100.' })),
})

export type RejectQuery = TypeOf<typeof rejectQuery>

const rejectMembers = {
  id,
  code: Type.String({ description: 'As in docs/errors.md, or of custom code.' }),
  stage: Type.String({ description: 'The stage that has rejected it.' }),
  reason: Type.Optional(Type.String({ description: 'What the stage says; otherwise what the code means.' })),
  origin: Type.String({ description: 'The file, object or request that it was read from.' }),
  line: Type.Integer({ description: 'In the origin, from 1.' }),
  rejectedAt: Type.Optional(
    Type.Number({ description: 'When it was committed. Absent: an older version of Sluice has not stored it.' }),
  ),
}

const rejectRow = Type.Object({
  ...rejectMembers,
  excerpt: Type.Optional(Type.String({ description: 'How its record begins; absent if it has none.' })),
})

export type RejectRow = TypeOf<typeof rejectRow>

export const rejectPage = Type.Object({
  total: count('In the dead-letter queue.'),
  matching: count('That the filter chooses.'),
  evicted: count('Over the life of the state: deleted to stay within the budget.'),
  withoutTime: count('In the queue, with an unknown time: no filter by time chooses them.'),
  groups: Type.Array(Type.Object({ code: Type.String(), stage: Type.String(), count: count('Rejects.') }), {
    description: 'Of the whole queue, the largest first.',
  }),
  rejects: Type.Array(rejectRow, { description: 'The newest first.' }),
  previous: Type.Optional(Type.String({ description: 'For `before`; absent on the page of the newest.' })),
  next: Type.Optional(Type.String({ description: 'For `after`; absent on the page of the oldest.' })),
})

export type RejectPage = TypeOf<typeof rejectPage>

export const rejectDetail = Type.Object({
  ...rejectMembers,
  lines: Type.Array(Type.String(), { description: 'The record as indented JSON; empty if it has none.' }),
  hasLine: Type.Boolean({ description: 'The line did not parse, and `unparsed: keep` has kept it.' }),
  unparsed: Type.Optional(
    Type.Object(
      { text: Type.String(), isBase64: Type.Boolean({ description: 'The line is not UTF-8.' }) },
      { description: 'That line, only with `?unparsed=true`: nothing in it is redacted.' },
    ),
  ),
  length: Type.Optional(count('Bytes of the record, or of the line that does not parse.')),
})

export type RejectDetail = TypeOf<typeof rejectDetail>

const correction = Type.Object({ id, record: Type.String({ description: 'A JSON object: one record.' }) })

export const rejectChoice = Type.Object(
  {
    ids: Type.Optional(Type.Array(id, { maxItems: 10_000 })),
    filter: Type.Optional(rejectFilter),
    corrections: Type.Optional(Type.Array(correction, { maxItems: 10_000 })),
  },
  { description: 'All that one of the three chooses; those with a correction as it says, the others as they are.' },
)

export type RejectChoice = TypeOf<typeof rejectChoice>

const rejection = Type.Object({
  code: Type.String(),
  stage: Type.String(),
  reason: Type.Optional(Type.String()),
})

const outcome = Type.Object({
  id,
  outcome: Type.Enum(['written', 'rejected', 'duplicate', 'dropped', 'stays', 'blocked'], {
    description:
      'The first that is true of it. `stays`: it is left in the queue. `blocked`: with it in the choice nothing is replayed.',
  }),
  why: Type.Optional(Type.String({ description: 'Of `stays` and `blocked`.' })),
  after: Type.Array(
    Type.Object({
      lines: Type.Array(Type.String(), { description: 'The record as indented JSON.' }),
      to: Type.Array(Type.String(), { description: 'Names of sinks; empty with one sink.' }),
    }),
    { description: 'Records that are written.' },
  ),
  rejections: Type.Array(rejection, { description: 'Records that are rejected again.' }),
  dropped: Type.Array(Type.String(), { description: 'Reasons of dropped records.' }),
})

export type RejectOutcome = TypeOf<typeof outcome>

export const tryAnswer = Type.Object({
  chosen: count('Rejects. Those that are not in the queue any more do not count.'),
  totals: Type.Object(
    {
      written: count('Rejects.'),
      rejected: count('Rejects.'),
      duplicate: count('Rejects.'),
      dropped: count('Rejects.'),
      stays: count('Rejects.'),
      blocked: count('Rejects.'),
    },
    { description: 'By outcome.' },
  ),
  outcomes: Type.Array(outcome, { description: 'Of the oldest rejects: at most 100.' }),
  knowsDuplicates: Type.Boolean({
    description: 'False: the dedup keys of the state could not be looked up, so what is written may be a duplicate.',
  }),
  upTo: Type.Optional(Type.String({ description: 'The newest reject of the choice, for `filter.upTo`.' })),
})

export type TryRejectsAnswer = TypeOf<typeof tryAnswer>

export const replayAnswer = Type.Object({
  outcome: Type.Enum(['done', 'interrupted'], { description: '`interrupted`: it was stopped after a clean commit.' }),
  read: count('Rejects that were replayed.'),
  written: count('Records.'),
  rejected: count('Records: they are in the queue again, with other ids.'),
  duplicate: count('Records.'),
  dropped: count('Records.'),
  unpublished: count('Objects that wait for upload: the next run publishes them.'),
})

export type ReplayAnswer = TypeOf<typeof replayAnswer>
