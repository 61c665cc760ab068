import { Type } from './typebox.ts'
import type { Config, Finding } from '../component.ts'
import { Choice, Duration, KeyTemplate, Size } from './fields.ts'
import { compressionProblem, compressions } from '../compression/compress.ts'

/** What every object sink has: spread into its `fields`. The commit reads them, the sink need not. */
export const objectFields = {
  key: KeyTemplate({
    default: '{pipeline}/dt={now:yyyy-MM-dd}',
    description:
      'Key of the objects without their last segment. `{record.service}` and `{record.timestamp:yyyy-MM-dd}` (UTC; also HH, mm) make a partition for each value, `{now:yyyy-MM-dd}` is when the object was begun, `{pipeline}` the name. A value that is absent or odd gives `unknown`; the last segment is made by Sluice and ends in a part of the content hash.',
  }),
  compression: Choice(compressions, {
    default: 'gzip',
    description:
      'How objects are compressed. No Content-Encoding is set: readers go by the ending, `.ndjson`, `.ndjson.gz` or `.ndjson.zst`. zstd needs Node.js 22.15, and some 4 MB of memory for each open object.',
  }),
  compressionLevel: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 22,
      description: 'Small is fast, large is dense; 1 to 9 for gzip (default 4), 1 to 22 for zstd (default 3).',
    }),
  ),
  roll: Type.Object(
    {
      maxBytes: Size({ default: '128MiB', description: 'Compressed bytes of an object.' }),
      maxRecords: Type.Integer({ default: 1_000_000, minimum: 1, description: 'Records of all partitions together.' }),
      maxAge: Duration({
        default: '5m',
        description: 'Age of the oldest record that is not committed: how late an event may be in the store.',
      }),
      maxPartitions: Type.Integer({
        default: 64,
        minimum: 2,
        maximum: 1000,
        description:
          'Objects that are open at once; records of further partitions go to one with `__other` for every value.',
      }),
    },
    { default: {}, description: 'When the open objects are closed, committed and published: whatever comes first.' },
  ),
  outbox: Type.Object(
    {
      maxBytes: Size({
        default: '8GiB',
        description:
          'Disk space for objects that the store has not taken yet. When it is used up, reading stops until there is space.',
      }),
    },
    { default: {}, description: 'Objects are written to the state folder first, and published from there.' },
  ),
}

/** What a schema cannot say; for the `check` of an object sink. */
export function* checkObjectFields({
  compression,
  compressionLevel,
  roll,
  outbox,
}: Omit<Config<typeof objectFields>, 'key'>): Generator<Finding> {
  const problem = compressionProblem(compression)
  if (problem !== undefined) yield { at: ['compression'], message: problem }
  if (compressionLevel !== undefined && compression === 'gzip' && compressionLevel > 9) {
    yield { at: ['compressionLevel'], message: `gzip has no level ${compressionLevel}`, hint: 'use 1 to 9' }
  }
  if (compressionLevel !== undefined && compression === 'none') {
    yield { at: ['compressionLevel'], message: 'nothing is compressed', hint: 'leave it out', severity: 'warning' }
  }
  if (outbox.maxBytes < roll.maxBytes) {
    yield {
      at: ['outbox', 'maxBytes'],
      message: 'the outbox is smaller than one object',
      hint: 'objects stay smaller than roll.maxBytes: give the outbox more, or objects less',
      severity: 'warning',
    }
  }
}
