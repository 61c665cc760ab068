import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import type { LoadOptions } from '../config/load.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { parseSize } from '../fields/units.ts'

/** `--state` of every command that uses a pipeline's state. */
export const stateOption = {
  type: 'string',
  default: '.sluice',
  describe: "Folder with the pipelines' states",
  requiresArg: true,
} as const satisfies Options

/**
 * `--set` of every command that loads a pipeline. It takes one value, so that positional arguments
 * may follow.
 */
export const setOption = {
  type: 'string',
  array: true,
  nargs: 1,
  describe: 'Override a value in the pipeline file, for example sink.bucket=audit',
} as const satisfies Options

/** `--final` of commands that read files. */
export const finalOption = {
  type: 'boolean',
  default: false,
  describe: 'Files are complete: also read an unfinished record at the end of one',
} as const satisfies Options

/** Options of commands that can divide their input. */
export const shardOptions = {
  workers: {
    type: 'number',
    describe: 'Number of threads; default: one for each core that helps',
    requiresArg: true,
  },
  'shard-size': {
    type: 'string',
    describe: 'Bytes that a worker takes at a time; default: by the size of the input, at most 128MiB',
    requiresArg: true,
  },
} as const satisfies { [name: string]: Options }

/** Checks these options. @throws SluiceError USAGE */
export function shardWishes({ workers, shardSize }: ArgumentsCamelCase<InferredOptionTypes<typeof shardOptions>>) {
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= MOST_WORKERS)) {
    throw new SluiceError('USAGE', `--workers ${workers} is not a number of threads`, {
      hint: `give a whole number from 1 to ${MOST_WORKERS}`,
    })
  }
  return { workers, shardBytes: shardSize === undefined ? undefined : parseShardSize(shardSize) }
}

const MOST_WORKERS = 256

function parseShardSize(text: string): number {
  try {
    const bytes = parseSize(text)
    if (bytes > 0) return bytes
  } catch (error) {
    const { hint } = asSluiceError(error, 'USAGE', 'a size')
    throw new SluiceError('USAGE', `--shard-size ${text} is not a size`, hint === undefined ? {} : { hint })
  }
  throw new SluiceError('USAGE', `--shard-size ${text} is not a size`, { hint: 'for example 64MiB' })
}

/** `--json` of every command that prints data. */
export const jsonOption = { type: 'boolean', default: false, describe: 'Print JSON' } as const satisfies Options

/** The pipeline argument of commands that take one pipeline. */
export const pipelineArgument = {
  type: 'string',
  demandOption: true,
  describe: 'Pipeline name or path',
} as const satisfies Options

/** `--env-file` of all commands. `--no-env-file` reads none. */
export const envFileOption = {
  type: 'string',
  array: true,
  nargs: 1,
  describe: 'Read variables from this file, in place of .env; --no-env-file reads none',
} as const satisfies Options

/** `--records` of commands that read files in place of a pipeline's source. */
export const recordsOption = {
  type: 'string',
  array: true,
  nargs: 1,
  describe: "Path to the records in the files, such as Records; default: that of the pipeline's own file or s3 source",
} as const satisfies Options

/**
 * The source of those commands: files, or the objects of a bucket.
 * @throws SluiceError USAGE
 */
export function fileSource(path: string | readonly string[], records: readonly string[] | undefined): FileSource {
  const paths = [path].flat()
  const ofStore = paths.filter((one) => /^s3:\/\//i.test(one))
  const local = paths.find((one) => !ofStore.includes(one))
  if (ofStore.length > 0 && local !== undefined) {
    throw new SluiceError('USAGE', `"${local}" is a file, and "${ofStore[0]}" is in a bucket`, {
      hint: 'read them with two commands, one after the other',
    })
  }
  const config = { path, ...(records !== undefined && { records }) }
  // Another path of records has no use for the key of the pipeline's own one.
  const content = records === undefined ? ['records', 'keyAs'] : []
  if (ofStore.length === 0) return { type: 'file', config, inherits: { file: content, s3: content } }
  return {
    type: 's3',
    config: { ...config, ...LOOK_BACK_NOW },
    inherits: { file: content, s3: [...content, ...STORE_OPTIONS] },
  }
}

/** Who starts a backfill twice in a few minutes has a reason: keys that came late are read at once. */
const LOOK_BACK_NOW = { lookBackEvery: '1ms' }

/** How an s3 source reaches its store. */
const STORE_OPTIONS = [
  'region',
  'endpoint',
  'forcePathStyle',
  'assumeRole',
  'expectedBucketOwner',
  'allowInsecure',
  'checksums',
  'requesterPays',
  'timeout',
]

type FileSource = NonNullable<LoadOptions['source']>
