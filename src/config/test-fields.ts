import { Type } from '../fields/typebox.ts'
import type { Json, JsonObject } from '../record/json/json.ts'

const record = Type.Unsafe<JsonObject>(Type.Object({}, { additionalProperties: true, description: 'A record.' }))
const records = (description: string) =>
  Type.Array(
    Type.Union([record, Type.String({ description: 'A record as JSON text, for numbers that YAML would round.' })]),
    { description },
  )
const count = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }))
const texts = (description: string) => Type.Optional(Type.Record(Type.String(), Type.String(), { description }))
const json = (description: string) => Type.Optional(Type.Unsafe<Json>({ description }))
const file = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

const expectation = {
  output: Type.Optional(records('The written records, in order.')),
  objects: Type.Optional(
    Type.Record(Type.String(), records('The records of the objects with this key, in order.'), {
      description:
        'Of a whole pipeline: the objects, by their key without its generated last segment. With `sinks`, the name of the sink and `/` come before the key. The key of a stream sink is its stage.',
    }),
  ),
  rejectObjects: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Array(
        Type.Unsafe<JsonObject>(
          Type.Object({}, { additionalProperties: true, description: 'Members of a line. Others are ignored.' }),
        ),
      ),
      {
        description:
          'Of a whole pipeline: the objects of the sink in `rejects`, by their key like `objects`. Only the given members of a line are compared: `code`, `stage`, `line`, `record`.',
      },
    ),
  ),
  rejects: Type.Optional(
    Type.Array(
      Type.Object({
        code: Type.String({ description: 'The reject code.' }),
        stage: Type.Optional(Type.String({ description: 'The stage that rejected the record.' })),
        line: Type.Optional(
          Type.Integer({ minimum: 1, description: 'Line of the record in the input, the file or the page, from 1.' }),
        ),
      }),
      { description: 'The rejected records, in order. Only the given properties are compared.' },
    ),
  ),
  dropped: Type.Optional(
    Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description: 'Number of dropped records by reason.' }),
  ),
  duplicates: count('Number of duplicates.'),
  ledger: Type.Optional(
    Type.Object(
      {
        read: count('Records that were read.'),
        added: count('Records that transforms created.'),
        written: count('Records that were written.'),
        dropped: count('Records that transforms dropped.'),
        duplicate: count('Records whose dedup key was already written.'),
        rejected: count('Records that were rejected.'),
      },
      { description: 'Of a whole pipeline: the counts of all runs together. Only the given ones are compared.' },
    ),
  ),
  error: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Of a whole pipeline: the code of the error with which the run fails. Default: it succeeds.',
    }),
  ),
}

const page = Type.Object({
  request: Type.Object(
    {
      method: Type.Optional(Type.String({ description: 'Method.' })),
      host: Type.Optional(Type.String({ description: 'Host, as in the URL that the source requests.' })),
      path: Type.Optional(Type.String({ description: 'Path, without the query.' })),
      query: texts('URL parameters. Others are ignored.'),
      headers: texts('Headers. Others are ignored.'),
      body: json('Body: JSON, or the parameters of a form. Members that are not given are ignored.'),
    },
    { default: {}, description: 'What a request must have to get this page. Only the given parts are compared.' },
  ),
  response: Type.Object(
    {
      status: Type.Integer({ default: 200, minimum: 100, maximum: 599, description: 'Status.' }),
      headers: Type.Optional(
        Type.Record(
          Type.String(),
          Type.Union([Type.String(), Type.Array(Type.String(), { description: 'A header that is there repeatedly.' })]),
          {
            description:
              'Headers. `date` is the time of the test, and `content-type` is JSON, unless they are given; an empty one is left out.',
          },
        ),
      ),
      body: json('Body: JSON. A string is sent as it is.'),
      file: file('A file with the body, relative to the file with the test.'),
    },
    { default: {}, description: 'The response.' },
  ),
  times: Type.Integer({ default: 1, minimum: 1, description: 'Number of requests that get this page.' }),
})

const recordOrLine = Type.Union([record, Type.String({ description: 'A raw line.' })])

/** What a file or an object holds. It is compressed if its name ends in `.gz`, `.zst` or `.br`. */
const content = {
  lines: Type.Optional(Type.Array(recordOrLine, { description: 'Records or raw lines.' })),
  json: json('The content as one JSON document.'),
  file: file('A file with the content, relative to the file with the test.'),
}

const inputFile = Type.Object({
  name: Type.String({
    minLength: 1,
    description: 'Path of the file, as the source would find it. `.gz`, `.zst` and `.br` are compressed.',
  }),
  ...content,
})

const inputObject = Type.Object({
  key: Type.String({
    minLength: 1,
    description: 'Key of the object, without the bucket. `.gz`, `.zst` and `.br` are compressed.',
  }),
  ...content,
  modified: Type.Optional(
    Type.String({
      description:
        'The time from which on the object is there, and its LastModified. Default: `now`. The same key with a later time replaces the object.',
    }),
  ),
  storageClass: Type.Optional(
    Type.String({ minLength: 1, description: 'Its storage class. `GLACIER` and `DEEP_ARCHIVE` cannot be read.' }),
  ),
  version: Type.Optional(Type.String({ minLength: 1, description: 'Its version, for a source with `versionId`.' })),
})

/** One test of a pipeline: an entry of `tests:`, or a file in `tests/NAME/`. */
export const testFields = {
  name: Type.String({ minLength: 1, description: 'Name of the test: the expected behaviour, as a sentence.' }),
  env: Type.Record(Type.String(), Type.String(), {
    default: {},
    description: 'Environment variables for this test only.',
  }),
  input: Type.Optional(
    Type.Union(
      [
        Type.Array(
          Type.Union([record, Type.String({ description: 'A raw line, for input that YAML cannot express.' })]),
        ),
        Type.Object({
          file: Type.String({ minLength: 1, description: 'An NDJSON file, relative to the pipeline file.' }),
        }),
      ],
      { description: 'Tests the transforms: records, raw lines, or an NDJSON file.' },
    ),
  ),
  pages: Type.Optional(
    Type.Array(page, {
      minItems: 1,
      description:
        'Tests the whole pipeline: what the API of `http`, `jumpcloud` or custom code answers. A request gets the first page that fits and is left. No other request is allowed, and each page must be requested.',
    }),
  ),
  files: Type.Optional(
    Type.Array(inputFile, {
      minItems: 1,
      description: 'Tests the whole pipeline: the files that the source `file`, or one of custom code, reads.',
    }),
  ),
  objects: Type.Optional(
    Type.Array(inputObject, {
      minItems: 1,
      description: 'Tests the whole pipeline: the objects in the bucket that the source `s3` reads.',
    }),
  ),
  records: Type.Optional(
    Type.Union(
      [
        Type.Array(recordOrLine, { minItems: 1 }),
        Type.Object({
          file: Type.String({ minLength: 1, description: 'An NDJSON file, relative to the file with the test.' }),
        }),
      ],
      {
        description:
          'Tests the pipeline without its source: what any source would yield, as records, raw lines, or an NDJSON file. The code of the source does not run.',
      },
    ),
  ),
  now: Type.Optional(
    Type.String({
      description: 'Of a whole pipeline: the time at which the run begins. Waits move it on, and take no time.',
    }),
  ),
  restartAfter: Type.Optional(
    Type.Integer({
      minimum: 1,
      description:
        'Kill the process after this page (or file, object, record), counted from 1, and run the pipeline again. The result must be the same.',
    }),
  ),
  restartIn: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'Kill the process in the middle of this page or object, and run the pipeline again.',
    }),
  ),
  resumeAt: Type.Optional(Type.String({ description: 'The time at which the pipeline runs again. Default: `now`.' })),
  stopAfter: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Stop the run after this page, as Ctrl-C does. Made by `sluice record`.' }),
  ),
  expect: Type.Optional(
    Type.Object(expectation, {
      minProperties: 1,
      description: 'The expected result. Only the given keys are compared. `sluice test --update` writes it.',
    }),
  ),
}
