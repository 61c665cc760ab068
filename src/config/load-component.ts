import { isBuiltin } from 'node:module'
import { existsSync, realpathSync } from 'node:fs'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'
import { Type } from '../fields/typebox.ts'
import type { Finding, TransformDeclaration, TransformFunction } from '../component.ts'
import { isCustom } from './component-name.ts'
import { SluiceError } from '../errors.ts'
import { importCode, placeOf } from './import-code.ts'
import type { Exports } from './import-code.ts'
import { Choice } from '../fields/fields.ts'
import { missingFileHint } from '../fields/formats.ts'
import { statIfPresent } from '../fields/present.ts'
import { closest } from '../fields/suggest.ts'
import type { Declaration, ComponentKind } from '../registry.ts'

/**
 * Loads a custom component in JavaScript or TypeScript: the default export of a file in the project
 * folder, or a named export of an installed package. A plain function of a file is a transform
 * without options. Custom code that imports 'sluice' gets the running program.
 * @throws SluiceError COMPONENT_LOAD_FAILED, with the line and column in the component's file if
 * known
 */
export async function loadComponent(
  type: string,
  kind: ComponentKind,
  { file, root }: { file: string; root: string },
): Promise<Declaration> {
  const [id, name] = /^[./]/.test(type) ? [locateFile(type, file, root), 'default'] : splitPackage(type)
  let exported: Exports
  try {
    exported = await importCode(id, file)
  } catch (error) {
    throw loadFailure(type, id, error)
  }
  return asDeclaration(exported, { type, name, kind })
}

function locateFile(type: string, file: string, root: string): string {
  const folder = dirname(file)
  const absolute = resolve(folder, type)
  const project = realpathSync(projectFolder(folder, root))
  if (statIfPresent(absolute)?.isFile() !== true) {
    throw failed(`the file ${type} does not exist`, missingFileHint(absolute))
  }
  const real = realpathSync(absolute)
  if (real !== project && !real.startsWith(project.endsWith(sep) ? project : project + sep)) {
    throw failed(`${type} is outside the project folder ${project}`, 'move the file into the project folder')
  }
  if (!/^\.[cm]?[jt]s$/.test(extname(real))) throw failed(`${type} is not a .ts, .js or .mjs file`)
  return real
}

/**
 * The nearest parent folder that contains a package.json or a Git repository. Without one, the
 * working directory if it contains the folder, otherwise the folder itself.
 */
function projectFolder(folder: string, root: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json')) || existsSync(join(at, '.git'))) return at
    if (at === dirname(at)) break
  }
  return relative(root, folder).startsWith('..') ? folder : root
}

function splitPackage(type: string): [id: string, name: string] {
  // Also `node:fs:readFile` and `fs/promises:readFile`, which are not written like packages.
  const [, builtin = ''] = /^((?:node:)?[\w/]+):/.exec(type) ?? []
  if (isBuiltin(builtin) || builtin === 'sluice') {
    const owner = builtin === 'sluice' ? 'Sluice itself' : 'Node.js'
    throw failed(
      `"${type}" names a module of ${owner}, which has no components`,
      'name a file of the project, such as ../transforms/tag.ts, or an installed package',
    )
  }
  const [, id, name] = /^((?:@[\w.-]+\/)?[\w.-]+):([\w$]+)$/.exec(type) ?? []
  if (id !== undefined && name !== undefined) return [id, name]
  throw failed(`"${type}" does not name a component of a package`, 'use package:name, for example "@acme/plugin:geo"')
}

function loadFailure(type: string, id: string, error: unknown): SluiceError {
  const message = error instanceof Error ? error.message : String(error)
  const parse = /^ParseError: ([^\n]*?)\s*\n\s*(\S.*:\d+:\d+)/.exec(message)
  if (parse !== null) return failed(`${type} is not valid code: ${parse[1]} at ${parse[2]}`, undefined, error)
  const missing = /^Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1]
  if (missing === id) return failed(`the package "${id}" is not installed`, `run npm install ${id}`, error)
  if (missing !== undefined) return failed(`${type} imports "${missing}", which does not exist`, undefined, error)
  const place = placeOf(error)
  const at = place === undefined ? '' : ` at ${place}`
  return failed(`${type} threw while loading: ${message.split('\n')[0]}${at}`, undefined, error)
}

/**
 * Checks a component that a program gave as a value: a declaration, or a function for a transform. Its
 * type is its own type or its name, after `code:`.
 * @throws SluiceError COMPONENT_LOAD_FAILED
 */
export function componentOf(value: unknown, kind: ComponentKind): Declaration {
  if (isFunction(value) && kind === 'transform') {
    return withCode(functionDeclaration(typeInCode(value.name, kind), value), value)
  }
  const own = isDeclaration(value) ? value.type : ''
  const declaration = asDeclaration({ value }, { type: typeInCode(own, kind), name: 'value', kind })
  return withCode(declaration, declaration.create)
}

/**
 * The text of a component that a program gave as a value: of its function, without what that imports or
 * encloses. Undefined for other components.
 */
export function codeOf(declaration: Declaration): string | undefined {
  return codes.get(declaration)
}

const codes = new WeakMap<Declaration, string>()

function withCode(declaration: Declaration, code: (...args: never[]) => unknown): Declaration {
  codes.set(declaration, code.toString())
  return declaration
}

function typeInCode(name: string, kind: ComponentKind): string {
  return isCustom(name) ? name : `code:${name === '' ? kind : name}`
}

interface ExpectedComponent {
  readonly type: string
  /** Name of the export. */
  readonly name: string
  readonly kind: ComponentKind
}

function asDeclaration(
  exported: { readonly [name: string]: unknown },
  { type, name, kind }: ExpectedComponent,
): Declaration {
  const value = name === 'default' ? defaultOf(exported[name]) : exported[name]
  if (value === undefined) {
    if (name !== 'default') throw failed(`${type}: the package has no export "${name}"`, exportsHint(name, exported))
    throw failed(
      `${type} has no default export`,
      'add export default (record) => record, or export default defineTransform({ ... })',
    )
  }
  if (isFunction(value)) {
    if (kind !== 'transform') throw failed(`${type} exports a function, which is a transform and not a ${kind}`)
    // Any library exports functions: one that was not written for records must not get them.
    if (!/^[./]/.test(type)) {
      throw failed(
        `${type} is a function that was not declared as a transform`,
        'a package has to export defineTransform({ ... }); only a file of the project may export a plain function',
      )
    }
    return functionDeclaration(type, value)
  }
  if (!isDeclaration(value)) {
    throw failed(
      `${type} exports neither a function nor a component`,
      `wrap it: ${defineNames[kind]}({ summary, fields, examples, create })`,
    )
  }
  if (value.kind !== kind) throw failed(`${type} is a ${value.kind}, not a ${kind}`)
  if (value.kind !== 'transform') return { ...value, type }
  const reserved = Object.keys(customFields).find((field) => field in value.fields)
  if (reserved !== undefined)
    throw failed(`${type}: the field name ${reserved} is reserved for custom transforms`, 'rename the field')
  return {
    ...value,
    type,
    fields: { ...value.fields, ...customFields },
    async check(config, context) {
      return [...parallelFindings(type, value.parallel, config), ...((await value.check?.(config, context)) ?? [])]
    },
  }
}

/**
 * The default export. A module that was compiled to CommonJS (`exports.default = …`) is itself the
 * default, and has it as a member.
 */
function defaultOf(value: unknown): unknown {
  const isModule = typeof value === 'object' && value !== null && !isDeclaration(value) && 'default' in value
  return isModule ? value.default : value
}

/** The fields that every custom transform has besides its own. */
const customFields = {
  onError: Choice(['reject', 'stop'], {
    default: 'reject',
    description: 'What to do when the transform throws: reject the record with TRANSFORM_FAILED, or stop the run.',
  }),
  concurrency: Type.Integer({
    default: 16,
    minimum: 1,
    maximum: 1024,
    description: 'Number of concurrent calls of an async function. Records keep their order.',
  }),
  parallel: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 64,
    description:
      'Number of threads that run the transform, each a batch at a time. Records keep their order. Above 1 only for a transform that declares `parallel: true`.',
  }),
}

function parallelFindings(
  type: string,
  isDeclared: boolean | undefined,
  { parallel }: { readonly [field: string]: unknown },
): Finding[] {
  if (parallel === undefined || parallel === 1) return []
  if (type.startsWith('code:')) {
    const hint = 'put it into a file, and name the file as type; or leave out parallel'
    return [{ at: ['parallel'], message: 'a transform that is given as a value cannot be loaded in threads', hint }]
  }
  if (isDeclared === true) return []
  const hint =
    'if what happens to a record depends on that record alone, export defineTransform({ parallel: true, … }); otherwise leave out parallel'
  return [{ at: ['parallel'], message: `${type} does not declare \`parallel: true\``, hint }]
}

const defineNames = { source: 'defineSource', transform: 'defineTransform', sink: 'defineSink' } as const

function functionDeclaration(type: string, transform: TransformFunction): TransformDeclaration {
  return {
    kind: 'transform',
    type,
    summary: 'A custom function.',
    fields: customFields,
    examples: [],
    check: (config) => parallelFindings(type, undefined, config),
    create: () => transform,
  }
}

function isDeclaration(value: unknown): value is Declaration {
  if (value === null || typeof value !== 'object') return false
  if (!('kind' in value && 'create' in value && 'fields' in value)) return false
  const { kind, create, fields } = value
  return (
    typeof kind === 'string' &&
    kind in defineNames &&
    isFunction(create) &&
    typeof fields === 'object' &&
    fields !== null
  )
}

function isFunction(value: unknown): value is TransformFunction {
  return typeof value === 'function'
}

function exportsHint(name: string, exported: object): string {
  const names = Object.keys(exported)
  const near = closest(name, names)
  const all = names.length === 0 ? 'the package exports nothing' : `exports: ${names.join(', ')}`
  return near === undefined ? all : `did you mean "${near}"? ${all}`
}

function failed(message: string, hint?: string, cause?: unknown): SluiceError {
  return new SluiceError('COMPONENT_LOAD_FAILED', message, { cause, ...(hint === undefined ? {} : { hint }) })
}
