import { readdirSync, readFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { SluiceError } from '../errors.ts'
import { namesIfPresent } from '../fields/present.ts'
import { suggest } from '../fields/suggest.ts'
import { PACKAGE } from '../package.ts'

/** A pipeline that comes with Sluice, to be copied into a project. */
export interface Shipped {
  /** The text of its file. */
  readonly yaml: string
  /** The other files that it refers to, by their paths in a project: schemas, transforms, samples. */
  readonly files: { readonly [path: string]: Buffer }
  /** Its test files, by their names. */
  readonly tests: { readonly [file: string]: string }
  /** The environment variables that it uses, in the order of the file. */
  readonly variables: readonly Variable[]
}

export interface Variable {
  readonly name: string
  /** Undefined if the variable must be set. */
  readonly default?: string
}

/** The names of the pipelines that come with Sluice, sorted. */
export function listShipped(): string[] {
  return readdirSync(join(PACKAGE, 'pipelines'))
    .filter((file) => extname(file) === '.yaml')
    .map((file) => basename(file, '.yaml'))
    .toSorted()
}

export function isShipped(name: string): boolean {
  return listShipped().includes(name)
}

/** @throws SluiceError USAGE if Sluice has no such pipeline */
export function readShipped(name: string): Shipped {
  if (!isShipped(name))
    throw new SluiceError('USAGE', `Sluice has no pipeline "${name}"`, { hint: suggest(name, listShipped(), 'it has') })
  return readPipelineOf(PACKAGE, name)
}

/** A pipeline in a folder of the package that is laid out as a project. */
export function readPipelineOf(folder: string, name: string): Shipped {
  const yaml = readFileSync(join(folder, 'pipelines', `${name}.yaml`), 'utf8')
  const [, ...lines] = yaml.split('\n')
  const paths = new Set([...lines.join('\n').matchAll(REFERENCE)].flatMap(([, path = '']) => expand(folder, path)))
  return {
    yaml,
    files: Object.fromEntries([...paths].map((path) => [path, readFileSync(join(folder, path))])),
    tests: testsOf(folder, name),
    variables: variablesIn(yaml),
  }
}

/** The test files of a pipeline. Editors find their schema by the settings of a project. */
function testsOf(folder: string, name: string): Shipped['tests'] {
  const tests = join(folder, 'tests', name)
  return Object.fromEntries(
    namesIfPresent(tests).map((file) => {
      const text = readFileSync(join(tests, file), 'utf8')
      return [file, text.replace(/^# yaml-language-server: .*\n/, '')]
    }),
  )
}

/** Paths of a pipeline file, relative to it or to the project. */
const REFERENCE = /(?:\.\.\/)?\b((?:schemas|transforms|samples)\/[\w.*-]+)/g

function expand(folder: string, path: string): string[] {
  if (!path.includes('*')) return [path]
  const [parent = '', pattern = ''] = path.split('/')
  const [start = '', end = ''] = pattern.split('*')
  return readdirSync(join(folder, parent))
    .filter((name) => name.startsWith(start) && name.endsWith(end))
    .map((name) => `${parent}/${name}`)
}

function variablesIn(yaml: string): Variable[] {
  const found = new Map<string, Variable>()
  for (const [, name = '', fallback] of yaml.matchAll(/\$\{env:(\w+)(?::-([^}]*))?\}/g))
    if (!found.has(name)) found.set(name, { name, ...(fallback !== undefined && { default: fallback }) })
  return [...found.values()]
}
