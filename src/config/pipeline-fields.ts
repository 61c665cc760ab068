import { Type } from '../fields/typebox.ts'
import type { JsonObject } from '../record/json/json.ts'
import { defaultLimits } from '../record/scan.ts'
import { Choice, RecordCondition, Size } from '../fields/fields.ts'

const component = (description: string) => Type.Object({}, { plain: true, additionalProperties: true, description })
const record = Type.Unsafe<JsonObject>(Type.Object({}, { additionalProperties: true, description: 'A record.' }))

const expectation = {
  output: Type.Optional(
    Type.Array(
      Type.Union([record, Type.String({ description: 'A record as JSON text, for numbers that YAML would round.' })]),
      { description: 'The written records, in order.' },
    ),
  ),
  rejects: Type.Optional(
    Type.Array(
      Type.Object({
        code: Type.String({ description: 'The reject code.' }),
        stage: Type.Optional(Type.String({ description: 'The stage that rejected the record.' })),
        line: Type.Optional(Type.Integer({ minimum: 1, description: 'Line of the record in the input, from 1.' })),
      }),
      { description: 'The rejected records, in order. Only the given properties are compared.' },
    ),
  ),
  dropped: Type.Optional(
    Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description: 'Number of dropped records by reason.' }),
  ),
  duplicates: Type.Optional(Type.Integer({ minimum: 0, description: 'Number of duplicates.' })),
}

const test = Type.Object({
  name: Type.String({ minLength: 1, description: 'Name of the test: the expected behaviour, as a sentence.' }),
  env: Type.Record(Type.String(), Type.String(), {
    default: {},
    description: 'Environment variables for this test only.',
  }),
  input: Type.Union(
    [
      Type.Array(Type.Union([record, Type.String({ description: 'A raw line, for input that YAML cannot express.' })])),
      Type.Object({
        file: Type.String({ minLength: 1, description: 'An NDJSON file, relative to the pipeline file.' }),
      }),
    ],
    { description: 'Records, raw lines, or an NDJSON file.' },
  ),
  expect: Type.Object(expectation, {
    minProperties: 1,
    description: 'The expected result. Only the given keys are compared.',
  }),
})

const sinkNames = (description: string) =>
  Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String(), { minItems: 1, uniqueItems: true })], {
    description,
  })

/** Where the records go that match a condition. */
const route = Type.Object({
  when: Type.Optional(
    Type.Union(
      [
        RecordCondition({ description: 'Tests that must all hold.' }),
        Type.Array(RecordCondition({ description: 'Tests that must all hold.' }), { minItems: 1 }),
      ],
      {
        description:
          'Takes the records that match all of these tests, as `keep` of `filter`. With a list of conditions, one of them is enough. Default: every record.',
      },
    ),
  ),
  to: sinkNames('The sink that gets the records, or a list of sinks: each of them gets all.'),
})

/** The schema of `routes`, for the paths in it. */
export const routeFields = { routes: Type.Array(route) }

/** The top level of a pipeline file. Components are checked by their own declarations. */
export const pipelineFields = {
  description: Type.Optional(
    Type.String({ plain: true, description: 'The purpose of the pipeline, in one sentence.' }),
  ),
  source: component('Where records come from.'),
  transforms: Type.Array(component('A transform.'), {
    default: [],
    description: 'The transforms that records pass, in this order.',
  }),
  sink: Type.Optional(component('Where records are written.')),
  sinks: Type.Optional(
    Type.Record(Type.String(), component('An object sink.'), {
      minProperties: 1,
      description: 'Several object sinks by their names, in place of `sink`. All of them commit together.',
    }),
  ),
  routes: Type.Optional(
    Type.Array(route, {
      minItems: 1,
      description: 'Which sinks get a record: the first route that takes it decides. Default: all sinks.',
    }),
  ),
  default: Type.Optional(sinkNames('The sinks of records that no route takes.')),
  unrouted: Choice(['reject', 'drop'], {
    default: 'reject',
    description:
      'What happens, without `default`, to records that no route takes: they are rejected with UNROUTED, or dropped and counted under `routes`.',
  }),
  rejects: Type.Optional(
    component('The dead-letter queue: options for rejected records, and an optional object sink for copies of them.'),
  ),
  limits: Type.Object(
    {
      maxDepth: Type.Integer({
        default: defaultLimits.maxDepth,
        minimum: 1,
        maximum: 1000,
        description: 'Maximum nesting depth of a record. Deeper records are rejected.',
      }),
      maxLine: Size({ default: '1MiB', description: 'Maximum length of a line. Longer lines are rejected.' }),
    },
    { default: {}, description: 'Limits for each record.' },
  ),
  allowRepeats: Type.Boolean({
    default: false,
    description: 'Allows a source that may read records more than once without a dedup transform.',
  }),
  tests: Type.Array(test, {
    plain: true,
    default: [],
    description: 'Tests for `sluice test`. `${...}` is not interpolated in tests.',
  }),
}

/** The options of `rejects`, besides those of its optional sink. */
export const rejectFields = {
  local: Size({
    default: '256MiB',
    description: 'Disk space for rejects in the state folder. When it is full, the oldest rejects are deleted.',
  }),
  unparsed: Choice(['digest', 'keep'], {
    default: 'digest',
    description:
      'Lines that do not parse: store only their length and digest, or `keep` their text, including secrets that redaction cannot find in it.',
  }),
}
