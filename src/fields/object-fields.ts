import { Type } from './typebox.ts'
import type { Config, Finding } from '../component.ts'
import { Choice, Duration, KeyTemplate, Size } from './fields.ts'
import { compressionProblem, compressions } from '../compression/compress.ts'

/**
 * The fields of every object sink. Spread them into its `fields`. The commit reads them, so the
 * sink does not have to.
 */
export const objectFields = {
  key: KeyTemplate({
    default: '{pipeline}/dt={now:yyyy-MM-dd}',
    description:
      'Object key without its generated last segment. Placeholders: `{pipeline}`, `{now:yyyy-MM-dd}`, `{record.service}`, `{record.timestamp:yyyy-MM-dd}`.',
  }),
  compression: Choice(compressions, {
    default: 'gzip',
    description:
      'One gzip member or zstd frame per object, shown by its extension; no Content-Encoding is set. zstd needs Node.js 22.15 and about 4 MB of memory per open object.',
  }),
  compressionLevel: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 22,
      description:
        'Compression level: 1 to 9 for gzip (default 4), 1 to 22 for zstd (default 3). Higher levels are slower and smaller.',
    }),
  ),
  roll: Type.Object(
    {
      maxBytes: Size({ default: '128MiB', description: 'Compressed size of one object.' }),
      maxRecords: Type.Integer({
        default: 1_000_000,
        minimum: 1,
        description: 'Number of records in all open objects together.',
      }),
      maxAge: Duration({
        default: '5m',
        description: 'Age of the oldest uncommitted record. Limits how late an event reaches the store.',
      }),
      maxPartitions: Type.Integer({
        default: 64,
        minimum: 2,
        maximum: 1000,
        description:
          'Number of objects open at once. Records of further key partitions go to a shared one, with `__other` for every value.',
      }),
    },
    {
      default: {},
      description: 'Open objects are closed, committed and published when the first of these limits is reached.',
    },
  ),
  outbox: Type.Object(
    {
      maxBytes: Size({
        default: '8GiB',
        description:
          'Disk space for committed objects that wait for upload. When it is full, reading pauses until uploads free space.',
      }),
    },
    {
      default: {},
      description: 'Transactional outbox: objects are written to the state folder first and published from there.',
    },
  ),
}

/** Checks that a schema cannot express. Call it in the `check` of an object sink. */
export function* checkObjectFields({
  compression,
  compressionLevel,
  roll,
  outbox,
}: Omit<Config<typeof objectFields>, 'key'>): Generator<Finding> {
  const problem = compressionProblem(compression)
  if (problem !== undefined) yield { at: ['compression'], message: problem }
  if (compressionLevel !== undefined && compression === 'gzip' && compressionLevel > 9) {
    yield {
      at: ['compressionLevel'],
      message: `gzip does not support level ${compressionLevel}`,
      hint: 'use a level from 1 to 9',
    }
  }
  if (compressionLevel !== undefined && compression === 'none') {
    yield {
      at: ['compressionLevel'],
      message: 'compressionLevel has no effect without compression',
      hint: 'remove compressionLevel',
      severity: 'warning',
    }
  }
  if (outbox.maxBytes < roll.maxBytes) {
    yield {
      at: ['outbox', 'maxBytes'],
      message: 'outbox.maxBytes is smaller than roll.maxBytes, so objects cannot reach roll.maxBytes',
      hint: 'increase outbox.maxBytes or decrease roll.maxBytes',
      severity: 'warning',
    }
  }
}
