import type { Config } from '../../component.ts'
import { Duration } from '../../fields/fields.ts'
import { storeFields } from '../../fields/store-fields.ts'
import { Type } from '../../fields/typebox.ts'
import { contentFields } from '../content/fields.ts'

const pathField = Type.String({ plain: true, minLength: 1 })

const moment = {
  plain: true,
  description:
    'Only objects since this time: by the date in their keys if `path` has one, otherwise by their LastModified. ' +
    'A date, a time such as 2026-03-04T12:00:00Z, or a duration back from the start of the run.',
}

export const fields = {
  path: Type.Union([pathField, Type.Array(pathField, { minItems: 1 })], {
    description:
      'Where the objects are: `s3://bucket/prefix/` (everything below it), `s3://bucket/key`, or a pattern with `*`, `**`, `?`, `[a-z]` and `{a,b}`. ' +
      '`{yyyy}`, `{MM}`, `{dd}`, `{HH}` and `{mm}` are the date in a key, in UTC. A backslash takes the next character as it is. ' +
      'Or a list of these, all of one bucket. Gzip and zstd (Node.js 22.15 or later) are detected by content, brotli by `.br`.',
  }),
  ...contentFields,
  since: Type.Optional(Type.String(moment)),
  until: Type.Optional(
    Type.String({ plain: true, description: 'Only objects before this time, written like `since`. Default: all.' }),
  ),
  lookBack: Duration({
    default: '1h',
    description:
      'Look-back: keys that sort before the last one read are found if their object was modified within this time. `0s`: they are never read.',
  }),
  lookBackEvery: Duration({
    default: '15m',
    description: 'Time between two look-backs. Each one lists all keys, or those of the last days if `path` has dates.',
  }),
  poll: Duration({ default: '60s', description: 'With --follow: pause between polls once everything is read.' }),
  versionId: Type.Optional(
    Type.String({
      plain: true,
      minLength: 1,
      description: 'Version of the object that `path` names, in a versioned bucket. Default: the current versions.',
    }),
  ),
  requesterPays: Type.Boolean({
    default: false,
    description: 'Agrees to pay for the requests, as a requester-pays bucket demands.',
  }),
  ...storeFields,
  timeout: Duration({
    default: '1m',
    description:
      'Longest time without a byte of a response; the request is then repeated. A response of 4 MiB may take five times as long.',
  }),
}

export type S3SourceConfig = Config<typeof fields>
