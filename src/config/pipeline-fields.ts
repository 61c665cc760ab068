import { Type } from '../fields/typebox.ts'
import { defaultLimits } from '../record/scan.ts'
import { Choice, ConditionExpression, RecordCondition, Size } from '../fields/fields.ts'
import { testFields } from './test-fields.ts'

const component = (description: string) => Type.Object({}, { plain: true, additionalProperties: true, description })

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
  where: Type.Optional(
    ConditionExpression({
      description:
        'Takes the records for which this CEL expression over `record` is true, see `docs/expressions.md`. With `when`, both must hold.',
    }),
  ),
  onError: Choice(['reject', 'skip'], {
    default: 'reject',
    description:
      'What to do with a record for which `where` has no result: `reject` rejects it with EXPRESSION_FAILED, `skip` tries the next route.',
  }),
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
  tests: Type.Array(Type.Object(testFields), {
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
