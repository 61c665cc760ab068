import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { extname, isAbsolute, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { TransformOptions } from 'jiti'
import { CODE, EXTENSION, IS_SOURCE } from '../package.ts'
import { transpile } from './transpile.ts'

/** The exports of a module. */
export interface Exports {
  readonly [name: string]: unknown
}

/**
 * Imports custom code: a file by its absolute path, or a package as it is found from the file
 * `from`. Where it imports `sluice` or `sluice/testing`, it gets the running program, whether the
 * project has it installed or not.
 *
 * Node.js loads it if it can strip types. What Node.js cannot load (syntax that is more than types,
 * imports without an extension, CommonJS of the project), and everything on older versions, jiti
 * loads. This is decided when all modules are found and parsed, and none has started: nothing runs
 * twice. Errors in the code itself are therefore those of jiti.
 */
export async function importCode(id: string, from: string): Promise<Exports> {
  return (await importNatively(id, from)) ?? (await importWithJiti(id, from))
}

/**
 * From now on, code of the project is read from its files again. What is loaded already stays as it is,
 * with what it imports later.
 */
export async function forgetCode(): Promise<void> {
  generation++
  const { requireFile } = await import('./import-module.ts')
  for (const path of Object.keys(requireFile.cache)) {
    if (!path.includes(`${sep}node_modules${sep}`) && !path.startsWith(CODE + sep)) delete requireFile.cache[path]
  }
}

/** How often the code was forgotten. Node.js keeps a module by its URL, so the URL has it. */
let generation = 0
const GENERATION = 'sluice-generation'

async function importWithJiti(id: string, from: string): Promise<Exports> {
  const { requireJiti } = await import('./import-module.ts')
  const { createJiti } = requireJiti()
  const compiler = createJiti(from, { fsCache: false })
  const sluice = await importEntry('index')
  const testing = await importEntry('testing')
  const virtualModules = { sluice, 'sluice/testing': testing }
  const transform = (options: TransformOptions) => ({ code: transpile(compiler, options) })
  return createJiti(from, { fsCache: false, interopDefault: false, virtualModules, transform }).import(id)
}

/** Undefined if Node.js cannot load it. Then nothing of it has run. */
async function importNatively(id: string, from: string): Promise<Exports | undefined> {
  if (!stripsTypes()) return undefined
  hook()
  const entry = `${SCHEME}${randomUUID()}`
  entries.set(entry, { id, from })
  let started = false
  const onStart = (message: unknown): void => {
    if (message !== entry) return
    started = true
    entries.delete(entry)
  }
  subscribe(STARTED, onStart)
  try {
    const { importModule } = await import('./import-module.ts')
    const { code } = await importModule<{ readonly code: Exports }>(entry)
    return code
  } catch (error) {
    if (started) throw error
    return undefined
  } finally {
    unsubscribe(STARTED, onStart)
    entries.delete(entry)
  }
}

/** Node.js 23 to 24.2 strip types too, but warn that this is experimental. */
function stripsTypes(): boolean {
  const features: NodeFeatures = process.features
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isStable = major === 22 ? minor >= 18 : major === 24 ? minor >= 3 : major > 24
  return isStable && Boolean(features.typescript) && registerHooks !== undefined
}

/** The types of Node.js 20 do not have it. */
interface NodeFeatures extends Pick<typeof process.features, 'inspector'> {
  readonly typescript?: unknown
}

interface ResolveContext {
  readonly parentURL?: string
  readonly conditions?: readonly string[]
}

interface Resolved {
  readonly url: string
  readonly format?: string | null
  readonly shortCircuit?: boolean
}

interface LoadContext {
  readonly format?: string | null
}

interface Loaded {
  readonly format?: string | null
  readonly source?: string | ArrayBuffer | Uint8Array | null
  readonly shortCircuit?: boolean
}

type Resolve = (specifier: string, context?: ResolveContext) => Resolved
type Load = (url: string, context?: LoadContext) => Loaded

/** The types of Node.js 20 do not have it. */
interface Hooks extends Pick<typeof nodeModule, 'isBuiltin'> {
  readonly registerHooks?: (hooks: {
    resolve: (specifier: string, context: ResolveContext, next: Resolve) => Resolved
    load: (url: string, context: LoadContext, next: Load) => Loaded
  }) => unknown
}

const { registerHooks }: Hooks = nodeModule

/** Of the modules that start an import, one for each. */
const SCHEME = 'sluice-import:'
/** Imported first of all, it runs when everything is loaded. */
const START = '#start'
const STARTED = 'sluice.import.started'

/** What those import that have not started. */
const entries = new Map<string, { readonly id: string; readonly from: string }>()
/** URLs of custom code and of what it imports. Nothing else in the process is affected by the hooks. */
const customCode = new Set<string>()
let isHooked = false

/** The hooks stay for the life of the process: custom code may import something when it runs. */
function hook(): void {
  if (isHooked) return
  isHooked = true
  registerHooks?.({ resolve, load })
}

function resolve(specifier: string, context: ResolveContext, next: Resolve): Resolved {
  if (specifier.startsWith(SCHEME)) return { url: specifier, format: 'module', shortCircuit: true }
  const { parentURL = '' } = context
  const entry = entries.get(parentURL)
  if (entry === undefined && !customCode.has(parentURL)) return next(specifier, context)
  if (specifier === 'sluice') return next(entryFor('index', context), context)
  if (specifier === 'sluice/testing') return next(entryFor('testing', context), context)
  const resolved = next(
    specifier,
    entry === undefined ? context : { ...context, parentURL: pathToFileURL(entry.from).href },
  )
  if (!resolved.url.startsWith('file:')) return resolved
  const url = ofGeneration(resolved.url, entry === undefined ? generationOf(parentURL) : String(generation))
  customCode.add(url)
  return { ...resolved, url }
}

/** Packages do not change while the process runs. */
function ofGeneration(url: string, number: string): string {
  if (number === '0' || url.includes('/node_modules/')) return url
  const versioned = new URL(url)
  versioned.searchParams.set(GENERATION, number)
  return versioned.href
}

function generationOf(url: string): string {
  return URL.canParse(url) ? (new URL(url).searchParams.get(GENERATION) ?? '0') : '0'
}

/** `require` takes a path, `import` a URL. */
function entryFor(name: Parameters<typeof entryUrl>[0], { conditions = [] }: ResolveContext): string {
  return conditions.includes('require') ? fileURLToPath(entryUrl(name)) : entryUrl(name)
}

function load(url: string, context: LoadContext, next: Load): Loaded {
  if (url.startsWith(SCHEME)) return { format: 'module', source: entrySource(url), shortCircuit: true }
  if (!customCode.has(url) || url.includes('/node_modules/')) return next(url, context)
  const loaded = next(url, withFormat(url, context, next))
  // What has started stays with Node.js.
  if (entries.size > 0 && !isForNode(loaded)) throw new Error(`${url} is left to jiti`)
  return loaded
}

function entrySource(url: string): string {
  if (url.endsWith(START)) {
    const entry = JSON.stringify(url.slice(0, -START.length))
    return `import { channel } from 'node:diagnostics_channel'\nchannel('${STARTED}').publish(${entry})`
  }
  const { id = '' } = entries.get(url) ?? {}
  const specifier = isAbsolute(id) ? pathToFileURL(id).href : id
  return `import ${JSON.stringify(url + START)}\nexport * as code from ${JSON.stringify(specifier)}`
}

/** Without a "type" in package.json, Node.js tries both formats, and warns if it is not CommonJS. */
function withFormat(url: string, context: LoadContext, next: Load): LoadContext {
  const extension = extname(new URL(url).pathname)
  const hasFormat = typeof context.format === 'string' && context.format !== 'typescript'
  if (hasFormat || (extension !== '.ts' && extension !== '.js')) return context
  const format = extension === '.ts' ? 'module-typescript' : 'module'
  return IS_MODULE.test(textOf(next(url, { ...context, format }))) ? { ...context, format } : context
}

const IS_MODULE = /^\s*(?:import\b\s*[^(\s]|export\b)/m

/**
 * False for code of the project that may need jiti when it has started: CommonJS, its variables in a
 * module, and imports that only the run decides. Those of packages by name are found by Node.js too.
 */
function isForNode(loaded: Loaded): boolean {
  const { format } = loaded
  if (format === 'json' || format === 'wasm') return true
  return (format === 'module' || format === 'module-typescript') && !NEEDS_JITI.test(textOf(loaded))
}

const NEEDS_JITI =
  /\brequire\s*[(.]|\b__(?:dirname|filename)\b|\bmodule\.exports\b|\bimport\s*\((?!\s*['"](?:node:)?[@\w])/

function textOf({ source }: Loaded): string {
  if (typeof source === 'string') return source
  return source === null || source === undefined ? '' : new TextDecoder().decode(source)
}

async function importEntry(name: Parameters<typeof entryUrl>[0]): Promise<Exports> {
  const { importModule, requireFile } = await import('./import-module.ts')
  return EXTENSION === '.cjs' ? requireFile(join(CODE, name + EXTENSION)) : importModule(entryUrl(name))
}

/** The running copy of what `sluice` and `sluice/testing` name. */
function entryUrl(name: 'index' | 'testing'): string {
  const extension = IS_SOURCE ? '.ts' : '.js'
  const file = join(CODE, name + extension)
  return pathToFileURL(existsSync(file) ? file : join(CODE, name, `index${extension}`)).href
}

/**
 * Where an error came from, as `<file>:<line>:<column>`: the first place in its stack that is neither
 * ours nor of Node.js.
 */
export function placeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  for (const [, url, path, position] of (error.stack ?? '').matchAll(FRAME)) {
    const file = url === undefined ? path : fileURLToPath(url)
    if (file !== undefined && !file.startsWith(CODE + sep)) return `${file}:${position}`
  }
  return undefined
}

const FRAME = /(?:\(|at (?:async )?)(?:(file:\/\/\/[^\n]*?)|(\/[^\n]*?)):(\d+:\d+)\)?$/gm
