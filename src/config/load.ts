import { basename, dirname, extname, relative } from 'node:path'
import { stringify } from 'yaml'
import { checkPipeline } from './check.ts'
import { interpolate } from './interpolate.ts'
import type { InterpolationScope } from './interpolate.ts'
import type { Entry, Located, LocatedMap } from './yaml-location.ts'
import { problemAt } from './yaml-location.ts'
import { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import { maskSecrets } from '../observe/secrets.ts'
import { findPipeline, PIPELINE_NAME } from './find-pipeline.ts'
import { override } from './override.ts'
import type { CheckedPipeline, PipelineTest, Problem } from './pipeline.ts'
import { isWhole } from './pipeline-test.ts'
import { readPipelineBytes, readPipelineFile, readYaml } from './read.ts'
import { readTestFiles } from './test-files.ts'
import { createRenewal } from './renew.ts'
import { whyUntestable } from './testable.ts'
import { WatchedFiles } from '../fields/watched-files.ts'

export interface LoadOptions {
  /** The directory that contains `pipelines/`. Default: the working directory. */
  readonly root?: string
  /** What an editor holds, instead of what is in the file. */
  readonly text?: string | undefined
  /** Default: the environment of the process. */
  readonly env?: { readonly [name: string]: string | undefined }
  /** Variables that a test of the pipeline file sets. They take precedence, and are not secret. */
  readonly testEnv?: { readonly [name: string]: string }
  /** The value of a variable that is not set and has no default, for tests of whole pipelines. */
  readonly standIn?: InterpolationScope['standIn']
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
  readonly source?: {
    readonly type: string
    readonly config: { readonly [key: string]: unknown }
    /** Options that the pipeline's own source hands on, by its type, if they are not in `config`. */
    readonly inherits?: { readonly [type: string]: readonly string[] }
  }
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
  const {
    root = process.cwd(),
    text,
    env = process.env,
    testEnv = {},
    standIn,
    mode,
    set = [],
    source,
    parts,
  } = options
  const path = await findPipeline(nameOrPath, root)
  const below = relative(root, path)
  const file = below.startsWith('..') ? path : below
  const folder = dirname(path)
  const problems: Problem[] = []
  const secrets = new PipelineSecrets()
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
  if (!PIPELINE_NAME.test(name)) {
    const hint = 'rename the file: use up to 64 letters, digits, ".", "_" and "-", and start with a letter or digit'
    const message = `"${name}" is not a valid pipeline name`
    problems.push(problemAt({ file, line: 1, column: 1, length: 1 }, message, { hint }))
  }
  const written =
    text === undefined
      ? await readPipelineFile(path, file, problems)
      : readPipelineBytes(Buffer.from(text), file, problems)
  if (written === undefined) return finish()
  let node = source === undefined ? written : withSource(written, source, problems)
  for (const argument of set) node = override(node, argument, problems)
  if (parts) node = onlyParts(node, parts)
  const interpolation = { env, testEnv, standIn, mode, folder, secrets }
  const own = node.entries.get('source')?.value
  const watched = new WatchedFiles()
  node = interpolatePipeline(node, { ...interpolation, problems }, watched)
  const scope = { name, file, path, folder, root, problems, secrets }
  const checked = await checkPipeline(node, scope)
  const pipeline =
    checked === undefined || own === undefined || watched.paths.length === 0
      ? checked
      : { ...checked, renewal: createRenewal(checked.source, { written: own, interpolation, scope, files: watched }) }
  if (mode === 'run' || parts !== undefined) return finish(pipeline)
  const files = await readTestFiles(scope)
  if (pipeline === undefined) return finish()
  const tests = [...pipeline.tests, ...files]
  if (mode === 'check') for (const test of tests) problems.push(...untestable(pipeline, test))
  return finish({ ...pipeline, tests })
}

/** `sluice test` reports it as the error of this test, and runs the others. */
function untestable(pipeline: CheckedPipeline, test: PipelineTest): Problem[] {
  const unfit = isWhole(test) ? whyUntestable(pipeline, test) : undefined
  if (unfit === undefined) return []
  const { file, line } = test
  return [problemAt({ file, line, column: 1, length: 1 }, unfit.message, { hint: unfit.hint })]
}

/** Serializes the source to YAML and reads that, so that problems in it have a location. */
function withSource(
  node: LocatedMap,
  { type, config, inherits = {} }: NonNullable<LoadOptions['source']>,
  problems: Problem[],
): LocatedMap {
  const value = readYaml(stringify({ type, ...config }), { file: `${type} source` }, problems)
  if (value?.kind !== 'map') return node
  const own = node.entries.get('source')
  const handedOn = own === undefined ? [] : (inherits[typeOf(own.value) ?? ''] ?? [])
  const inherited = own?.value.kind === 'map' ? [...own.value.entries] : []
  const entries = new Map<string, Entry>([
    ...inherited.filter(([key]) => handedOn.includes(key) && !Object.hasOwn(config, key)),
    ...value.entries,
  ])
  const source: Entry = { key: own?.key ?? value.location, value: { ...value, entries } }
  return { ...node, entries: new Map<string, Entry>([...node.entries, ['source', source]]) }
}

function typeOf(node: Located): string | undefined {
  const written = node.kind === 'map' ? node.entries.get('type')?.value : undefined
  return written?.kind === 'scalar' && typeof written.value === 'string' ? written.value : undefined
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
  entries.delete('rejects')
  const sinks = entries.get('sinks')
  if (sinks?.value.kind === 'map') {
    // The routes name them.
    const stub = readYaml('{ type: file, path: unused }', { file: 'sinks' }, []) ?? node
    const stubs = new Map([...sinks.value.entries].map(([name, { key }]) => [name, { key, value: stub }]))
    entries.set('sinks', { ...sinks, value: { ...sinks.value, entries: stubs } })
  } else replace('sink', '{ type: stdout }')
  return { ...node, entries }
}

/** Interpolates everything but `tests`, which are data. Collects the files that the source uses. */
function interpolatePipeline(node: LocatedMap, scope: InterpolationScope, ofSource: WatchedFiles): LocatedMap {
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => {
    const files = key === 'source' ? ofSource : undefined
    return [key, key === 'tests' ? entry : { ...entry, value: interpolate(entry.value, { ...scope, files }) }]
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
