import { resolve } from 'node:path'
import { partOf, problemAt } from './yaml-location.ts'
import type { Entry, Insertion, Located, LocatedScalar, Location, Unset } from './yaml-location.ts'
import { readSmallFile } from '../fields/small-file.ts'
import { closest } from '../fields/suggest.ts'
import type { WatchedFiles } from '../fields/watched-files.ts'
import type { Problem } from './pipeline.ts'
import { systemCode } from '../errors.ts'
import type { FoundSecrets } from './found-secrets.ts'

export interface InterpolationScope {
  readonly env: { readonly [name: string]: string | undefined }
  /** Variables that a test of the pipeline file sets. They take precedence, and are not secret. */
  readonly testEnv: { readonly [name: string]: string }
  /**
   * `run`: an unset variable or a missing file is an error. `check` and `test`: it is a warning,
   * and a placeholder replaces the value.
   */
  readonly mode: 'run' | 'check' | 'test'
  /** The value of a variable that is not set, or of a file. They are then not problems. */
  readonly standIn?: ((name: string) => string) | undefined
  /** Folder of the pipeline file. Paths in `${file:}` are relative to it. */
  readonly folder: string
  readonly problems: Problem[]
  /** Collects the contents of files, which are secret. */
  readonly secrets: FoundSecrets
  /** Collects the files, before they are read. */
  readonly files?: WatchedFiles | undefined
}

/**
 * Resolves `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` in every string value. The
 * default also replaces an empty variable. One line break at the end of a file is removed. `$${` is
 * a literal `${`. Inserted text is not interpolated again.
 */
export function interpolate(node: Located, scope: InterpolationScope): Located {
  if (node.kind === 'list') return { ...node, items: node.items.map((item) => interpolate(item, scope)) }
  if (node.kind === 'scalar') return interpolateScalar(node, scope)
  const entries = new Map<string, Entry>()
  for (const [key, entry] of node.entries) entries.set(key, { ...entry, value: interpolate(entry.value, scope) })
  return { ...node, entries }
}

/** Largest file for `${file:}` in bytes. Such files contain a key or a token, not data. */
const MAX_FILE_BYTES = 64 * 1024

const FORM = /\$\$\{|\$\{([^}]*)(\}?)/g

function interpolateScalar(node: LocatedScalar, scope: InterpolationScope): LocatedScalar {
  const { value } = node
  if (typeof value !== 'string' || !value.includes('${')) return node
  const inserted: Insertion[] = []
  let missing = false
  const unset: Unset[] = []
  const escaped: string[] = []
  let copied = 0
  const text = value.replace(FORM, (form: string, inside: string | undefined, end: string, offset: number) => {
    escaped.push(value.slice(copied, offset))
    copied = offset + form.length
    if (inside === undefined) {
      escaped.push('${')
      return '${'
    }
    const location = partOf(node.location, value, offset, form.length)
    const found = end === '' ? malformed(form, inside, location, scope) : resolveForm(form, inside, location, scope)
    if (found === undefined) missing = true
    const variable = /^env:(\w+)$/.exec(inside)?.[1]
    const problem = scope.problems.at(-1)
    if (found === undefined && end !== '' && variable !== undefined && problem !== undefined)
      unset.push({ variable, problem })
    const insertion = found ?? UNSET
    inserted.push(insertion)
    escaped.push(insertion.text.replaceAll('{', '{{'))
    return insertion.text
  })
  const template = escaped.join('') + value.slice(copied)
  return {
    ...node,
    value: text,
    place: undefined,
    ...(inserted.length > 0 ? { inserted } : {}),
    ...(missing ? { missing } : {}),
    ...(unset.length > 0 ? { unset } : {}),
    ...(template === text ? {} : { escaped: template }),
  }
}

/** Replaces a value that is not known. */
const UNSET: Insertion = { text: 'unset', name: 'unset', isWritten: true }

function resolveForm(
  form: string,
  inside: string,
  location: Location,
  scope: InterpolationScope,
): Insertion | undefined {
  const env = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(inside)
  if (env !== null) return fromEnvironment(env[1] ?? '', env[2], location, scope)
  const file = /^file:(\S.*)$/.exec(inside)
  if (file !== null) return fromFile(file[1] ?? '', location, scope)
  return malformed(form, inside, location, scope)
}

function fromEnvironment(
  name: string,
  fallback: string | undefined,
  location: Location,
  scope: InterpolationScope,
): Insertion | undefined {
  const ofTest = scope.testEnv[name]
  const value = ofTest ?? scope.env[name]
  const insertion = { name: `env.${name}`, isWritten: ofTest !== undefined }
  if (value === undefined || value === '') {
    if (fallback !== undefined) return { ...insertion, text: fallback, isWritten: true }
  }
  if (value !== undefined) return { ...insertion, text: value }
  if (scope.standIn) return { ...insertion, text: scope.standIn(name), isWritten: true }
  const near = closestVariable(
    name,
    Object.keys(scope.env).filter((key) => scope.env[key] !== undefined),
  )
  const suggestion = near === undefined ? '' : `did you mean ${near}, which is set? `
  scope.problems.push(
    problemAt(location, `the environment variable ${name} is not set`, {
      hint: `${suggestion}set it`,
      severity: severityOf(scope),
    }),
  )
  return undefined
}

/** Names of one program begin alike (`SLUICE_`), which makes none of them a misspelling of another. */
function closestVariable(name: string, names: readonly string[]): string | undefined {
  const start = name.slice(0, name.indexOf('_') + 1)
  const ends = names.filter((other) => other.startsWith(start)).map((other) => other.slice(start.length))
  const near = closest(name.slice(start.length), ends)
  if (near !== undefined) return start + near
  return closest(
    name,
    names.filter((other) => !other.startsWith(start)),
  )
}

function fromFile(path: string, location: Location, scope: InterpolationScope): Insertion | undefined {
  if (scope.standIn) return { text: scope.standIn(path), name: `file.${path}`, isWritten: true }
  const absolute = resolve(scope.folder, path)
  scope.files?.add(absolute)
  try {
    const read = readSmallFile(absolute, MAX_FILE_BYTES)
    if ('refused' in read) {
      scope.problems.push(
        problemAt(location, `the file ${path} ${read.refused}`, { hint: `resolved path: ${absolute}` }),
      )
      return undefined
    }
    const text = read.text.replace(/\r?\n$/, '')
    const name = `file.${path}`
    if (text !== '') scope.secrets.add(text, { kind: 'certain', name })
    return { text, name, isWritten: false }
  } catch (error) {
    const code = systemCode(error) ?? 'unknown error'
    scope.problems.push(
      problemAt(location, `the file ${path} cannot be read (${code})`, {
        hint: `resolved path: ${absolute}`,
        severity: severityOf(scope),
      }),
    )
    return undefined
  }
}

function malformed(form: string, inside: string, location: Location, scope: InterpolationScope): undefined {
  scope.problems.push(
    problemAt(location, `"${form}" is not a valid \${...} expression`, { hint: correctForm(form, inside) }),
  )
  return undefined
}

function correctForm(form: string, inside: string): string {
  if (!form.endsWith('}')) return `close it with }, or write $${form.slice(0, 2)} for a literal \${`
  const name = /^\s*(?:\$|env[.:]?)?\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?::?-(.*))?$/i.exec(inside)
  if (name !== null && !/^(env|file)$/i.test(name[1] ?? '')) {
    return `write \${env:${name[1]}${name[2] === undefined ? '' : `:-${name[2]}`}}, or $\${ for a literal \${`
  }
  return 'use ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, or $${ for a literal ${'
}

function severityOf({ mode }: InterpolationScope): Problem['severity'] {
  return mode === 'run' ? 'error' : 'warning'
}
