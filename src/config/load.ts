import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { stringify } from 'yaml'
import { SluiceError, systemCode } from '../errors.ts'
import { checkPipeline } from './check.ts'
import { interpolate } from './interpolate.ts'
import type { Surroundings } from './interpolate.ts'
import type { Entry, LocatedMap } from './yaml-position.ts'
import { problemAt } from './yaml-position.ts'
import { closest } from '../fields/suggest.ts'
import { override } from './override.ts'
import type { CheckedPipeline, Problem } from './pipeline.ts'
import { readPipelineFile, readYaml } from './read.ts'

export interface LoadOptions {
  /** The working directory, which holds `pipelines/`; default: the process's own. */
  readonly root?: string
  /** Default: the process's own. */
  readonly env?: { readonly [name: string]: string | undefined }
  /** `path=value`, each overrides the file: `sink.bucket=audit`, `transforms[0].mode=warn`. */
  readonly set?: readonly string[]
  /** `run`: a variable that is not set is an error; `check` and `test`: a warning, and a stand-in takes its place. */
  readonly mode: 'run' | 'check' | 'test'
  /** Takes the place of the pipeline's own source, which is then not looked at. */
  readonly source?: { readonly type: string; readonly config: { readonly [key: string]: unknown } }
}

export interface Loaded {
  /** Present when no problem is an error. */
  readonly pipeline?: CheckedPipeline
  /** All errors and warnings, in the order of the file. */
  readonly problems: readonly Problem[]
  /** What is worth knowing and no problem. */
  readonly notes: readonly Problem[]
}

/**
 * Reads and checks a pipeline: a name in `pipelines/`, or a path.
 * @throws SluiceError PIPELINE_NOT_FOUND; everything else that a person wrote wrong is a problem.
 */
export async function loadPipeline(nameOrPath: string, options: LoadOptions): Promise<Loaded> {
  const { root = process.cwd(), env = process.env, mode, set = [], source } = options
  const path = await findPipeline(nameOrPath, root)
  const below = relative(root, path)
  const file = below.startsWith('..') ? path : below
  const folder = dirname(path)
  const problems: Problem[] = []
  const secrets = new Set<string>()
  const finish = (pipeline?: CheckedPipeline): Loaded => {
    const sound = pipeline !== undefined && problems.every(({ severity }) => severity !== 'error')
    const found = problems.toSorted(byPlace).map((one) => mask(one, secrets))
    return {
      ...(sound ? { pipeline } : {}),
      problems: found.filter(({ severity }) => severity !== 'note'),
      notes: found.filter(({ severity }) => severity === 'note'),
    }
  }

  const name = basename(path, extname(path))
  if (!NAME.test(name)) {
    const hint = 'rename the file: letters, digits, ".", "_" and "-" are allowed, 64 at most'
    problems.push(problemAt({ file, line: 1, column: 1, length: 1 }, `"${name}" cannot name a pipeline`, { hint }))
  }
  const written = await readPipelineFile(path, file, problems)
  if (written === undefined) return finish()
  let node = source === undefined ? written : withSource(written, source, problems)
  for (const argument of set) node = override(node, argument, problems)
  node = resolveText(node, { env, mode, folder, problems, secrets })
  return finish(await checkPipeline(node, { name, file, path, folder, root, problems, secrets }))
}

/** The names of the pipelines in `pipelines/`, sorted; none when there is no such folder. */
export async function listPipelines(root: string = process.cwd()): Promise<string[]> {
  const files = await filesIn(join(root, FOLDER))
  return files
    .filter((file) => ENDINGS.includes(extname(file)))
    .map((file) => basename(file, extname(file)))
    .toSorted()
}

const FOLDER = 'pipelines'
const ENDINGS = ['.yaml', '.yml']

/** A pipeline's name is a part of object keys and of the path of its state. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

async function findPipeline(nameOrPath: string, root: string): Promise<string> {
  const isPath = /[/\\]/.test(nameOrPath) || ENDINGS.includes(extname(nameOrPath))
  const paths = isPath
    ? [resolve(root, nameOrPath)]
    : ENDINGS.map((ending) => join(root, FOLDER, `${nameOrPath}${ending}`))
  const found = paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
  if (found.length > 1) {
    throw new SluiceError('CONFIG_INVALID', `both ${found.join(' and ')} exist`, { hint: 'keep one of them' })
  }
  if (found[0] !== undefined) return found[0]
  if (isPath) throw new SluiceError('PIPELINE_NOT_FOUND', `no pipeline file ${nameOrPath}`)
  const names = await listPipelines(root)
  const near = closest(nameOrPath, names)
  const meant = near === undefined ? '' : `did you mean "${near}"? `
  const all = names.length === 0 ? `there is none in ${join(root, FOLDER)}` : `pipelines: ${names.join(', ')}`
  throw new SluiceError('PIPELINE_NOT_FOUND', `no pipeline "${nameOrPath}"`, { hint: `${meant}${all}` })
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

/** The other source is read as YAML of its own, so that its problems have a place, too. */
function withSource(
  node: LocatedMap,
  { type, config }: NonNullable<LoadOptions['source']>,
  problems: Problem[],
): LocatedMap {
  const value = readYaml(stringify({ type, ...config }), { file: `${type} source` }, problems)
  if (value === undefined) return node
  const key = node.entries.get('source')?.key ?? value.place
  return { ...node, entries: new Map<string, Entry>([...node.entries, ['source', { key, value }]]) }
}

/** Tests are data: nothing is resolved in them. */
function resolveText(node: LocatedMap, around: Surroundings): LocatedMap {
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => {
    return [key, key === 'tests' ? entry : { ...entry, value: interpolate(entry.value, around) }]
  })
  return { ...node, entries: new Map(entries) }
}

function byPlace(a: Problem, b: Problem): number {
  if (a.file !== b.file) return a.file < b.file ? 1 : -1
  return a.line - b.line || a.column - b.column
}

function mask(problem: Problem, secrets: ReadonlySet<string>): Problem {
  const hide = (text: string) => {
    let hidden = text
    for (const secret of secrets)
      if (secret.length >= SHORTEST_MASKED) hidden = hidden.replaceAll(secret, '*'.repeat(secret.length))
    return hidden
  }
  const { message, hint, text } = problem
  return {
    ...problem,
    message: hide(message),
    ...(hint === undefined ? {} : { hint: hide(hint) }),
    ...(text === undefined ? {} : { text: hide(text) }),
  }
}

/** A shorter one would mask ordinary words. */
const SHORTEST_MASKED = 4
