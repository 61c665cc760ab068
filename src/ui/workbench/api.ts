/*
 * The shapes of the workbench in the JSON API. A `text` is what an editor holds of the pipeline file; where it may
 * be left out, the file itself is used. Sending a text needs `--edit`, since its custom code and its files are loaded.
 */
import { Type } from 'typebox'
import { count } from '../../observe/shapes.ts'
import type { TypeOf } from '../../observe/shapes.ts'
import { problem, reference } from '../shapes.ts'

const text = Type.String({ maxLength: 262_144, description: 'What an editor holds of the pipeline file.' })
const optionalText = Type.Optional(text)
const sample = Type.String({ description: 'Identifies samples, which the server keeps while it runs.' })

export const pipelineFile = Type.Object({
  path: Type.String({ description: 'Below the project folder.' }),
  text: Type.String(),
  version: Type.String({ description: 'Identifies the content, for saving.' }),
})

export type PipelineFile = TypeOf<typeof pipelineFile>

export const saveRequest = Type.Object({
  text,
  version: Type.String({
    description: 'Of the content that was edited: a file that has changed since is not replaced.',
  }),
})

export const textRequest = Type.Object({ text: optionalText })

export const checkAnswer = Type.Object({
  problems: Type.Array(reference(problem), { description: 'As `sluice check` says them, for all of the file.' }),
})

export type CheckAnswer = TypeOf<typeof checkAnswer>

export const sampleRequest = Type.Union([
  Type.Object({ pasted: Type.String({ description: 'NDJSON.' }) }),
  Type.Object({
    file: Type.String({ description: 'Path below the project folder; NDJSON, or what the file source reads.' }),
    records: Type.Optional(Type.String({ description: 'Path of the records in a JSON document, as `--records`.' })),
    first: count('Records at most.'),
  }),
  Type.Object({
    source: Type.Literal(true, { description: 'The source of the pipeline, as it is now. Needs `--edit`.' }),
    text: optionalText,
    first: count('Records at most.'),
  }),
  Type.Object({
    recording: Type.String({ description: 'Name of a test with recorded pages, files or records of the pipeline.' }),
    text: optionalText,
    first: count('Records at most.'),
  }),
])

export type SampleRequest = TypeOf<typeof sampleRequest>

export const sampleAnswer = Type.Object({
  sample,
  from: Type.String({ description: 'Where they are from, for people.' }),
  records: count('Lines.'),
  bytes: count('Bytes.'),
  isCut: Type.Boolean({ description: 'There were more.' }),
})

export type SampleAnswer = TypeOf<typeof sampleAnswer>

export const tryRequest = Type.Object({
  text: optionalText,
  sample,
  from: count('The first record whose way is shown, from 0.'),
  count: Type.Integer({ minimum: 0, maximum: 200, description: 'Records whose way is shown.' }),
  values: Type.Optional(
    Type.Boolean({ description: 'Also show values that redaction changes, as they were before. Default: no.' }),
  ),
})

export type TryRequest = TypeOf<typeof tryRequest>

const diffLine = Type.Object({
  sign: Type.Enum([' ', '+', '-'], { description: 'As in a diff: unchanged, added, removed.' }),
  text: Type.String(),
})

const diffGap = Type.Object({ lines: count('That are left out: they are the same, and far from a change.') })

const step = Type.Object({
  stage: Type.String(),
  effect: Type.Enum(['same', 'changed', 'split', 'dropped', 'duplicate', 'rejected'], {
    description: '`split`: it has made several records of one. `duplicate`: an earlier record has the same dedup key.',
  }),
  detail: Type.Optional(Type.String({ description: 'Why: the reason of a drop, the code and reason of a reject.' })),
  diff: Type.Optional(
    Type.Array(Type.Union([diffLine, diffGap]), { description: 'Of `changed` and `split`: before and after.' }),
  ),
})

export type Step = TypeOf<typeof step>

const shownRecord = Type.Object({
  number: count('From 0, among the samples.'),
  line: Type.Integer({ description: 'Line in the samples, from 1.' }),
  before: Type.Optional(
    Type.Array(Type.String(), { description: 'The record as it was read, as lines; absent if it is no JSON object.' }),
  ),
  steps: Type.Array(step, {
    description:
      'One for each stage that it came to, in their order; `source` for a line that does not parse, `routes` for what routes did.',
  }),
  after: Type.Array(
    Type.Object({
      lines: Type.Array(Type.String()),
      to: Type.Array(Type.String(), { description: 'Names of sinks; empty with one sink.' }),
    }),
    { description: 'What is written of it: nothing, a record, or several.' },
  ),
})

export type ShownRecord = TypeOf<typeof shownRecord>

export const tryAnswer = Type.Object({
  problems: Type.Array(reference(problem), {
    description: 'Of the file. With errors in its transforms nothing is tried.',
  }),
  failure: Type.Optional(
    Type.Object(
      {
        code: Type.String(),
        message: Type.String(),
        hint: Type.Optional(Type.String()),
      },
      { description: 'A transform has failed, or has not ended: what is there is of the records before it.' },
    ),
  ),
  totals: Type.Optional(
    Type.Object({
      records: count('In the samples.'),
      written: count('Records.'),
      dropped: count('Records.'),
      duplicate: count('Records.'),
      rejected: count('Records.'),
    }),
  ),
  stages: Type.Array(
    Type.Object({
      stage: Type.String(),
      type: Type.String(),
      line: Type.Optional(Type.Integer({ description: 'Where it begins in the file, from 1.' })),
      milliseconds: Type.Number({ description: 'Of all samples.' }),
      recordsIn: count('Records.'),
      changed: count('Records whose bytes it has changed, of those that are shown.'),
      dropped: count('Records.'),
      duplicate: count('Records.'),
      rejected: count('Records.'),
      rules: Type.Array(
        Type.Object({
          rule: Type.String(),
          matches: count('Values in all samples.'),
          isUnused: Type.Boolean({ description: 'It has matched nothing, and is not one that only searches.' }),
        }),
      ),
    }),
  ),
  records: Type.Array(shownRecord),
  showsValues: Type.Boolean({ description: 'Values that redaction changes are shown as they were before.' }),
})

export type TryAnswer = TypeOf<typeof tryAnswer>

export const testsAnswer = Type.Object({
  problems: Type.Array(reference(problem)),
  tests: Type.Array(
    Type.Object({
      name: Type.String(),
      file: Type.String(),
      line: Type.Integer(),
      isPassed: Type.Boolean(),
      differences: Type.Array(Type.String(), { description: 'Texts of several lines; `-` expected, `+` found.' }),
      mistake: Type.Optional(Type.String({ description: 'Why it could not run.' })),
      seconds: Type.Number(),
    }),
  ),
})

export type TestsAnswer = TypeOf<typeof testsAnswer>

export const completeRequest = Type.Object({ text, offset: count('Of the cursor, in UTF-16 units.') })

export const completeAnswer = Type.Object({
  from: count('Where the word begins that is completed.'),
  to: count('Where it ends.'),
  options: Type.Array(
    Type.Object({
      label: Type.String(),
      insert: Type.String({ description: 'What takes the place of the word.' }),
      kind: Type.Enum(['key', 'value', 'component']),
      detail: Type.Optional(Type.String({ description: 'Its type, or "required".' })),
      about: Type.Optional(Type.String({ description: 'Its documentation.' })),
    }),
  ),
})

export type CompleteAnswer = TypeOf<typeof completeAnswer>

export const describeAnswer = Type.Object({
  from: count('Where the key or value begins that is described.'),
  to: count('Where it ends.'),
  title: Type.Optional(Type.String()),
  about: Type.Optional(Type.String({ description: 'Absent: there is nothing to say.' })),
})

export type DescribeAnswer = TypeOf<typeof describeAnswer>

export const componentsAnswer = Type.Object({
  components: Type.Array(
    Type.Object({
      kind: Type.Enum(['source', 'transform', 'sink']),
      type: Type.String(),
      summary: Type.String(),
      fields: Type.Array(
        Type.Object({
          name: Type.String(),
          type: Type.String(),
          required: Type.Boolean(),
          default: Type.Optional(Type.String()),
          description: Type.String(),
        }),
      ),
      examples: Type.Array(Type.Object({ title: Type.String(), yaml: Type.String() })),
    }),
  ),
})

export type ComponentsAnswer = TypeOf<typeof componentsAnswer>

export const addComponentRequest = Type.Object({
  text,
  kind: Type.Enum(['source', 'transform', 'sink']),
  type: Type.String(),
  after: Type.Optional(count('A transform: its place, the number of transforms before it. Default: the end.')),
})

export const addTestRequest = Type.Object({
  text,
  sample,
  records: Type.Array(count('Numbers of records, from 0.'), { minItems: 1, maxItems: 100 }),
  name: Type.String({ minLength: 1 }),
})

export const editedText = Type.Object({
  text: Type.String(),
  line: Type.Integer({ description: 'Where it was added, from 1.' }),
})

export type EditedText = TypeOf<typeof editedText>
