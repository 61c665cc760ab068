import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { partOf, problemAt } from './yaml-position.ts'
import type { Entry, Located, LocatedScalar, Place } from './yaml-position.ts'
import { closest } from '../fields/suggest.ts'
import type { Problem } from './pipeline.ts'
import { systemCode } from '../errors.ts'

export interface Surroundings {
  readonly env: { readonly [name: string]: string | undefined }
  /** `run`: what is missing is an error. `check` and `test`: it is a warning, and a stand-in takes its place. */
  readonly mode: 'run' | 'check' | 'test'
  /** Folder of the pipeline file: `${file:}` is relative to it. */
  readonly folder: string
  readonly problems: Problem[]
  /** Contents of files are collected here: they are secret. */
  readonly secrets: Set<string>
}

/**
 * Resolves `${env:NAME}`, `${env:NAME:-default}` (also when the variable is empty) and `${file:PATH}` (one line feed at its end removed)
 * in every text value; `$${` is a plain `${`. What comes in is text and is not looked at again.
 */
export function interpolate(node: Located, around: Surroundings): Located {
  if (node.kind === 'list') return { ...node, items: node.items.map((item) => interpolate(item, around)) }
  if (node.kind === 'scalar') return interpolateScalar(node, around)
  const entries = new Map<string, Entry>()
  for (const [key, entry] of node.entries) entries.set(key, { ...entry, value: interpolate(entry.value, around) })
  return { ...node, entries }
}

/** Largest file of a `${file:}` in bytes: it is a key or a token, not data. */
const MAX_FILE_BYTES = 64 * 1024

const FORM = /\$\$\{|\$\{([^}]*)(\}?)/g

function interpolateScalar(node: LocatedScalar, around: Surroundings): LocatedScalar {
  const { value } = node
  if (typeof value !== 'string' || !value.includes('${')) return node
  let interpolated = false
  let missing = false
  const text = value.replace(FORM, (form: string, inside: string | undefined, end: string, offset: number) => {
    if (inside === undefined) return '${'
    interpolated = true
    const place = partOf(node.place, value, offset, form.length)
    const found = end === '' ? malformed(form, inside, place, around) : resolveForm(form, inside, place, around)
    if (found === undefined) missing = true
    return found ?? 'unset'
  })
  return { ...node, value: text, ...(interpolated ? { interpolated } : {}), ...(missing ? { missing } : {}) }
}

function resolveForm(form: string, inside: string, place: Place, around: Surroundings): string | undefined {
  const env = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(inside)
  if (env !== null) return fromEnvironment(env[1] ?? '', env[2], place, around)
  const file = /^file:(\S.*)$/.exec(inside)
  if (file !== null) return fromFile(file[1] ?? '', place, around)
  return malformed(form, inside, place, around)
}

function fromEnvironment(
  name: string,
  fallback: string | undefined,
  place: Place,
  around: Surroundings,
): string | undefined {
  const value = around.env[name]
  if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
  if (value !== undefined) return value
  const near = closest(
    name,
    Object.keys(around.env).filter((key) => around.env[key] !== undefined),
  )
  const meant = near === undefined ? '' : `did you mean ${near}, which is set? `
  around.problems.push(
    problemAt(place, `the environment variable ${name} is not set`, {
      hint: `${meant}set it, or give a default: \${env:${name}:-default}`,
      severity: severityOf(around),
    }),
  )
  return undefined
}

function fromFile(path: string, place: Place, around: Surroundings): string | undefined {
  const absolute = resolve(around.folder, path)
  try {
    const { size } = statSync(absolute)
    if (size > MAX_FILE_BYTES) {
      around.problems.push(problemAt(place, `the file ${path} has ${size} bytes; ${MAX_FILE_BYTES} are allowed`))
      return undefined
    }
    const text = readFileSync(absolute, 'utf8').replace(/\r?\n$/, '')
    if (text !== '') around.secrets.add(text)
    return text
  } catch (error) {
    const code = systemCode(error) ?? 'unknown error'
    around.problems.push(
      problemAt(place, `the file ${path} cannot be read (${code})`, {
        hint: `it is looked for at ${absolute}`,
        severity: severityOf(around),
      }),
    )
    return undefined
  }
}

function malformed(form: string, inside: string, place: Place, around: Surroundings): undefined {
  around.problems.push(problemAt(place, `"${form}" is not a known form of \${...}`, { hint: rightForm(form, inside) }))
  return undefined
}

function rightForm(form: string, inside: string): string {
  if (!form.endsWith('}')) return `close it with }, or write $${form.slice(0, 2)} for the plain text`
  const name = /^\s*(?:\$|env[.:]?)?\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?::?-(.*))?$/i.exec(inside)
  if (name !== null && !/^(env|file)$/i.test(name[1] ?? '')) {
    return `write \${env:${name[1]}${name[2] === undefined ? '' : `:-${name[2]}`}}, or $\${ for the plain text`
  }
  return 'the forms are ${env:NAME}, ${env:NAME:-default} and ${file:PATH}; $${ stands for the plain text'
}

function severityOf({ mode }: Surroundings): Problem['severity'] {
  return mode === 'run' ? 'error' : 'warning'
}
