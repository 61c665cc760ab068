import { basename, extname, resolve } from 'node:path'
import { findPipeline } from '../config/find-pipeline.ts'
import { loadPipeline } from '../config/load.ts'
import type { Loaded, LoadOptions } from '../config/load.ts'
import type { CheckedPipeline, Problem } from '../config/pipeline.ts'
import { renderProblems } from '../config/render.ts'
import { SluiceError } from '../errors.ts'
import { addEnvironmentSecrets } from '../observe/environment-secrets.ts'
import type { Note } from '../observe/messages/table.ts'
import { plural } from '../observe/report.ts'

export interface OpenOptions {
  /**
   * The project folder: it contains `pipelines/`, and relative paths of the pipeline file that are
   * relative to the working directory of a command are relative to it. Default: the working
   * directory of the process.
   */
  readonly folder?: string
  /**
   * Overrides of values in the file, as `--set` takes them (`['sink.bucket=audit']`), or values by
   * their path (`{ 'sink.bucket': 'audit' }`).
   */
  readonly set?: readonly string[] | { readonly [path: string]: unknown }
  /**
   * The variables that `${env:NAME}` names; `process.env` is then not read for them. Default:
   * `process.env`. (The AWS SDK and proxies have variables of their own, which they read from the
   * process.)
   */
  readonly env?: { readonly [name: string]: string | undefined }
  /** The folder that holds the states of pipelines. Default: `.sluice` in the project folder. */
  readonly state?: string
}

/** A pipeline file, which is read and checked again for each use. */
export interface PipelineFile {
  /** Name of the pipeline. */
  readonly name: string
  readonly folder: string
  readonly stateFolder: string
  /** @throws SluiceError PIPELINE_NOT_FOUND */
  check(options: Pick<LoadOptions, 'mode'>): Promise<Loaded>
  /** Logs warnings. @throws SluiceError CONFIG_INVALID with all problems in its hint */
  load(options: Pick<LoadOptions, 'mode' | 'parts' | 'testEnv'>, note?: Note): Promise<CheckedPipeline>
}

/** @throws SluiceError PIPELINE_NOT_FOUND, CONFIG_INVALID if the name matches two files, USAGE */
export async function openFile(nameOrPath: string, options: OpenOptions): Promise<PipelineFile> {
  if (typeof nameOrPath !== 'string' || nameOrPath === '') {
    throw new SluiceError('USAGE', 'openPipeline takes the name of a pipeline in pipelines/, or the path of its file')
  }
  checkOptions(options)
  const { env = process.env, state = '.sluice' } = options
  const folder = resolve(options.folder ?? '')
  const set = argumentsOf(options.set ?? [])
  const path = await findPipeline(nameOrPath, folder)
  addEnvironmentSecrets(env)
  const check: PipelineFile['check'] = (more) => loadPipeline(nameOrPath, { root: folder, env, set, ...more })
  return {
    name: basename(path, extname(path)),
    folder,
    stateFolder: resolve(folder, state),
    check,
    async load(more, note) {
      const { pipeline, problems } = await check(more)
      const errors = problems.filter(({ severity }) => severity === 'error')
      if (pipeline === undefined || errors.length > 0) {
        throw new SluiceError('CONFIG_INVALID', `${plural(errors.length, 'error')} in ${nameOrPath}`, {
          hint: (await renderProblems(errors)).trimEnd(),
        })
      }
      for (const { message, ...problem } of problems)
        note?.('config.problem', { problem: message, ...placeOf(problem) })
      return pipeline
    },
  }
}

/** @throws SluiceError USAGE */
function checkOptions({ folder = '', state = '', set = {}, env = {} }: OpenOptions): void {
  const [wrong] = [
    typeof folder !== 'string' && 'folder must be the path of a folder',
    typeof state !== 'string' && 'state must be the path of a folder',
    typeof set !== 'object' && "set must be a list, such as ['sink.bucket=audit'], or values by path",
    typeof env !== 'object' && 'env must be an object with the variables',
  ].filter((message) => message !== false)
  if (wrong !== undefined) throw new SluiceError('USAGE', `openPipeline: ${wrong}`)
}

function placeOf({ file, line, column, hint }: Omit<Problem, 'message'>) {
  return { file, line, column, hint }
}

/** @throws SluiceError USAGE */
function argumentsOf(set: NonNullable<OpenOptions['set']>): string[] {
  if (isList(set)) return [...set]
  return Object.entries(set).map(([path, value]) => {
    const json: string | undefined = JSON.stringify(value)
    // JSON is YAML.
    if (json !== undefined) return `${path}=${json}`
    throw new SluiceError('USAGE', `set: the value of ${path} is ${typeof value}`, {
      hint: 'give text, a number, a boolean, a list or an object',
    })
  })
}

/** `Array.isArray` does not narrow to readonly arrays. */
function isList(set: NonNullable<OpenOptions['set']>): set is readonly string[] {
  return Array.isArray(set)
}
