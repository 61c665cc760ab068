import { Type } from '../fields/typebox.ts'
import type { JsonObject } from '../record/json/json.ts'
import { defaultLimits } from '../record/scan.ts'
import { Choice, Size } from '../fields/fields.ts'

const component = (description: string) => Type.Object({}, { additionalProperties: true, description })
const record = Type.Unsafe<JsonObject>(Type.Object({}, { additionalProperties: true, description: 'A record.' }))

const expectation = {
  output: Type.Optional(Type.Array(record, { description: 'The records written, in order.' })),
  rejects: Type.Optional(
    Type.Array(
      Type.Object({
        code: Type.String({ description: 'Why it was rejected.' }),
        stage: Type.Optional(Type.String({ description: 'The stage that rejected it.' })),
        line: Type.Optional(Type.Integer({ minimum: 1, description: 'Its line in the input, from 1.' })),
      }),
      { description: 'The records rejected, in order; each by any subset of its facts.' },
    ),
  ),
  dropped: Type.Optional(
    Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description: 'How many were dropped, by reason.' }),
  ),
  duplicates: Type.Optional(Type.Integer({ minimum: 0, description: 'How many were duplicates.' })),
}

const test = Type.Object({
  name: Type.String({ minLength: 1, description: 'What the pipeline does, as a sentence.' }),
  env: Type.Record(Type.String(), Type.String(), {
    default: {},
    description: 'Environment variables for this test alone.',
  }),
  input: Type.Union(
    [
      Type.Array(Type.Union([record, Type.String({ description: 'A line as text, for what YAML cannot say.' })])),
      Type.Object({
        file: Type.String({ minLength: 1, description: 'A file of records, relative to the pipeline file.' }),
      }),
    ],
    { description: 'Records, lines of text, or a file of them.' },
  ),
  expect: Type.Object(expectation, {
    minProperties: 1,
    description: 'What must come out; only what is said is compared.',
  }),
})

/** The top level of a pipeline file. Components are checked by their own declarations. */
export const pipelineFields = {
  description: Type.Optional(Type.String({ description: 'What the pipeline is for, in one sentence.' })),
  source: component('Where records come from.'),
  transforms: Type.Array(component('A stage.'), {
    default: [],
    description: 'What is done to records, in this order.',
  }),
  sink: component('Where records are written.'),
  rejects: Type.Optional(component('What is kept of rejected records, and the object sink that they are copied to.')),
  limits: Type.Object(
    {
      maxDepth: Type.Integer({
        default: defaultLimits.maxDepth,
        minimum: 1,
        maximum: 1000,
        description: 'Deepest nesting of a record; deeper ones are rejected.',
      }),
      maxLine: Size({ default: '1MiB', description: 'Longest line; longer ones are rejected.' }),
    },
    { default: {}, description: 'What a record may be at most.' },
  ),
  allowRepeats: Type.Boolean({
    default: false,
    description: 'Allows a source that may repeat itself without a dedup transform behind it.',
  }),
  tests: Type.Array(test, { default: [], description: 'Run by `sluice test`. Nothing is interpolated in them.' }),
}

/** What `rejects` has beside a sink, which it need not have. */
export const rejectFields = {
  local: Size({
    default: '256MiB',
    description: 'Disk space for rejects in the state folder; when it is used up the oldest are deleted.',
  }),
  unparsed: Choice(['digest', 'keep'], {
    default: 'digest',
    description:
      'What is written of a line that does not parse: its length and digest, or `keep` all of it, with the secrets that redaction could not find in it.',
  }),
}
