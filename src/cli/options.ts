import type { Options } from 'yargs'
import type { LoadOptions } from '../config/load.ts'

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
  describe: "Path to the records in the files, such as Records; default: that of the pipeline's own file source",
} as const satisfies Options

/** The source of those commands. */
export function fileSource(path: string | readonly string[], records: readonly string[] | undefined): FileSource {
  // Another path of records has no use for the key of the pipeline's own one.
  const inherits = records === undefined ? ['records', 'keyAs'] : []
  return { type: 'file', config: { path, ...(records !== undefined && { records }) }, inherits }
}

type FileSource = NonNullable<LoadOptions['source']>
