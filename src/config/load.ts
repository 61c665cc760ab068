import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { stringify } from 'yaml'
import { SluiceError, systemCode } from '../errors.ts'
import { checkPipeline } from './check.ts'
import { interpolate } from './interpolate.ts'
import type { InterpolationScope } from './interpolate.ts'
import type { Entry, LocatedMap } from './yaml-location.ts'
import { problemAt } from './yaml-location.ts'
import { closest } from '../fields/suggest.ts'
import { addSecret, maskSecrets } from '../observe/secrets.ts'
import { override } from './override.ts'
import type { CheckedPipeline, Problem } from './pipeline.ts'
import { readPipelineFile, readYaml } from './read.ts'

export interface LoadOptions {
  /** The directory that contains `pipelines/`. Default: the working directory. */
  readonly root?: string
  /** Default: the environment of the process. */
  readonly env?: { readonly [name: string]: string | undefined }
  /** Variables that a test of the pipeline file sets. They take precedence, and are not secret. */
  readonly testEnv?: { readonly [name: string]: string }
  /** Overrides of values in the file, as `path=value`: `sink.bucket=audit`. */
  readonly set?: readonly string[]
  /**
   * `run`: an unset variable or a missing file is an error. `check` and `test`: it is a warning,
   * and a placeholder replaces the value.
   */
  readonly mode: InterpolationScope['mode']
  /**
   * The parts of the file that the caller uses. The others are ignored, with their mistakes, their
   * custom code and their unset variables; unusable components are in their place. Default: all.
   */
  readonly parts?: readonly PipelinePart[]
  /** Replaces the pipeline's own source, which is then not checked. */
  readonly source?: { readonly type: string; readonly config: { readonly [key: string]: unknown } }
}

type PipelinePart = 'source' | 'transforms' | 'sinks'

export interface Loaded {
  /** Present if no problem is an error. */
  readonly pipeline?: CheckedPipeline
  /** All errors and warnings, in the order of the file. */
  readonly problems: readonly Problem[]
  /** Findings that are not problems. */
  readonly notes: readonly Problem[]
}

/**
 * Reads and checks a pipeline, given by its name in `pipelines/` or by a path. Mistakes in the file
 * are returned as problems.
 * @throws SluiceError PIPELINE_NOT_FOUND, or CONFIG_INVALID if the name matches two files
 */
export async function loadPipeline(nameOrPath: string, options: LoadOptions): Promise<Loaded> {
  const { root = process.cwd(), env = process.env, testEnv = {}, mode, set = [], source, parts } = options
  const path = await findPipeline(nameOrPath, root)
  const below = relative(root, path)
  const file = below.startsWith('..') ? path : below
  const folder = dirname(path)
  const problems: Problem[] = []
  const secrets = { add: addSecret }
  const finish = (pipeline?: CheckedPipeline): Loaded => {
    const isValid = pipeline !== undefined && problems.every(({ severity }) => severity !== 'error')
    const found = problems.toSorted(byLocation).map(masked)
    return {
      ...(isValid ? { pipeline } : {}),
      problems: found.filter(({ severity }) => severity !== 'note'),
      notes: found.filter(({ severity }) => severity === 'note'),
    }
  }

  const name = basename(path, extname(path))
  if (!NAME.test(name)) {
    const hint = 'rename the file: use up to 64 letters, digits, ".", "_" and "-", and start with a letter or digit'
    const message = `"${name}" is not a valid pipeline name`
    problems.push(problemAt({ file, line: 1, column: 1, length: 1 }, message, { hint }))
  }
  const written = await readPipelineFile(path, file, problems)
  if (written === undefined) return finish()
  let node = source === undefined ? written : withSource(written, source, problems)
  for (const argument of set) node = override(node, argument, problems)
  if (parts) node = onlyParts(node, parts)
  node = interpolatePipeline(node, { env, testEnv, mode, folder, problems, secrets })
  return finish(await checkPipeline(node, { name, file, path, folder, root, problems, secrets }))
}

/** The names of the pipelines in `pipelines/`, sorted. Empty if the folder does not exist. */
export async function listPipelines(root: string = process.cwd()): Promise<string[]> {
  const files = await filesIn(join(root, FOLDER))
  return files
    .filter((file) => ENDINGS.includes(extname(file)))
    .map((file) => basename(file, extname(file)))
    .toSorted()
}

const FOLDER = 'pipelines'
const ENDINGS = ['.yaml', '.yml']

/** A pipeline's name becomes part of object keys and of the path of its state folder. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

async function findPipeline(nameOrPath: string, root: string): Promise<string> {
  const isPath = /[/\\]/.test(nameOrPath) || ENDINGS.includes(extname(nameOrPath))
  const paths = isPath
    ? [resolve(root, nameOrPath)]
    : ENDINGS.map((ending) => join(root, FOLDER, `${nameOrPath}${ending}`))
  const found = paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
  if (found.length > 1) {
    throw new SluiceError('CONFIG_INVALID', `both ${found.join(' and ')} exist`, { hint: 'delete one of them' })
  }
  if (found[0] !== undefined) return found[0]
  if (isPath) throw new SluiceError('PIPELINE_NOT_FOUND', `the pipeline file ${nameOrPath} does not exist`)
  const names = await listPipelines(root)
  const near = closest(nameOrPath, names)
  const suggestion = near === undefined ? '' : `did you mean "${near}"? `
  const all = names.length === 0 ? `${join(root, FOLDER)} has no pipelines` : `pipelines: ${names.join(', ')}`
  throw new SluiceError('PIPELINE_NOT_FOUND', `there is no pipeline "${nameOrPath}"`, {
    hint: `${suggestion}${all}`,
  })
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Serializes the source to YAML and reads that, so that problems in it have a location. */
function withSource(
  node: LocatedMap,
  { type, config }: NonNullable<LoadOptions['source']>,
  problems: Problem[],
): LocatedMap {
  const value = readYaml(stringify({ type, ...config }), { file: `${type} source` }, problems)
  if (value === undefined) return node
  const key = node.entries.get('source')?.key ?? value.location
  return { ...node, entries: new Map<string, Entry>([...node.entries, ['source', { key, value }]]) }
}

/** Leaves out what the caller does not use. A pipeline needs a source and a sink: the simplest ones. */
function onlyParts(node: LocatedMap, parts: readonly PipelinePart[]): LocatedMap {
  const entries = new Map(node.entries)
  entries.delete('tests')
  const replace = (key: string, value: string): void => {
    const found = entries.get(key)
    const stub = readYaml(value, { file: key }, [])
    if (stub) entries.set(key, { key: found?.key ?? node.location, value: stub })
  }
  if (!parts.includes('source')) replace('source', '{ type: file, path: "-" }')
  if (!parts.includes('transforms')) {
    entries.delete('transforms')
    // Otherwise a source that repeats records would miss its dedup.
    replace('allowRepeats', 'true')
  }
  if (parts.includes('sinks')) return { ...node, entries }
  replace('sink', '{ type: stdout }')
  entries.delete('rejects')
  return { ...node, entries }
}

/** Interpolates everything but `tests`, which are data. */
function interpolatePipeline(node: LocatedMap, scope: InterpolationScope): LocatedMap {
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => {
    return [key, key === 'tests' ? entry : { ...entry, value: interpolate(entry.value, scope) }]
  })
  return { ...node, entries: new Map(entries) }
}

function byLocation(a: Problem, b: Problem): number {
  if (a.file !== b.file) return a.file < b.file ? 1 : -1
  return a.line - b.line || a.column - b.column
}

/** Masks secrets at their own length, so that columns and carets stay right. */
function masked(problem: Problem): Problem {
  const { message, hint, text } = problem
  return {
    ...problem,
    message: maskSecrets(message),
    ...(hint === undefined ? {} : { hint: maskSecrets(hint) }),
    ...(text === undefined ? {} : { text: maskSecrets(text) }),
  }
}
