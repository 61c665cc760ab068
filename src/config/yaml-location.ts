import type { Problem } from './pipeline.ts'

/** A range of text in a pipeline file or a command-line argument. */
export interface Location {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. Columns and lengths count UTF-16 code units, like editors do. */
  readonly column: number
  readonly length: number
  /** The complete source line. */
  readonly text?: string
}

/** A YAML value with its location. */
export type Located = LocatedScalar | LocatedMap | LocatedList

export interface LocatedScalar {
  readonly kind: 'scalar'
  readonly location: Location
  readonly value: string | number | boolean | null
  /** The source text of an unquoted value. */
  readonly plain?: string
  /** The parts of the text that came from the environment or a file. Present if there are any. */
  readonly inserted?: readonly Insertion[]
  /**
   * The text for a template, with `{` doubled in what came from the environment or a file: it is
   * data, not part of the template. Absent if that makes no difference.
   */
  readonly escaped?: string
  /** True if part of the text is unknown because a variable is not set or a file is missing. */
  readonly missing?: boolean
  readonly unset?: readonly Unset[]
  /**
   * The location of a part of a text, by its offset in the value; undefined if it cannot be found.
   * Absent if the value is not a text, or if variables were inserted into it.
   */
  readonly place?: ((offset: number, length: number) => Location | undefined) | undefined
}

/** A variable that is not set, and the problem that says so. */
export interface Unset {
  readonly variable: string
  readonly problem: Problem
}

/** A text that came from outside the pipeline file. */
export interface Insertion {
  readonly text: string
  /** `env.NAME` or `file.PATH`. */
  readonly name: string
  /** True if the text is written in the pipeline file all the same: a default, or `env` of a test. */
  readonly isWritten: boolean
}

export interface LocatedMap {
  readonly kind: 'map'
  readonly location: Location
  readonly entries: ReadonlyMap<string, Entry>
}

export interface Entry {
  readonly key: Location
  readonly value: Located
}

interface LocatedList {
  readonly kind: 'list'
  readonly location: Location
  readonly items: readonly Located[]
}

export type Keys = readonly (string | number)[]

/** The node at the end of the keys, or undefined if there is none. */
export function nodeAt(node: Located | undefined, keys: Keys): Located | undefined {
  let at = node
  for (const key of keys) at = childOf(at, key)
  return at
}

/**
 * The location to report for the keys: of the value if it is a scalar, of the key if it is a map or
 * list, and of the nearest existing parent if the value is a default.
 */
export function locationAt(root: Located, keys: Keys, rootLocation: Location = root.location): Location {
  let location = rootLocation
  let at: Located = root
  for (const key of keys) {
    const next = childOf(at, key)
    if (next === undefined) return location
    const before = at.kind === 'map' ? at.entries.get(String(key))?.key : undefined
    location = next.kind === 'scalar' ? next.location : (before ?? next.location)
    at = next
  }
  return location
}

/** The location of a key, for problems with the key itself. */
export function keyLocationAt(root: Located, keys: Keys, key: string): Location | undefined {
  const parent = nodeAt(root, keys)
  return parent?.kind === 'map' ? parent.entries.get(key)?.key : undefined
}

/** True if part of the value depends on an unset variable or a missing file. */
export function isIncomplete(node: Located | undefined): boolean {
  if (node === undefined) return false
  if (node.kind === 'scalar') return node.missing === true
  if (node.kind === 'list') return node.items.some(isIncomplete)
  return [...node.entries.values()].some((entry) => isIncomplete(entry.value))
}

/**
 * The location of a part of the text, if the source line contains the text literally. Otherwise the
 * whole location.
 */
export function partOf(location: Location, text: string, offset: number, length: number): Location {
  const from = location.text?.slice(location.column - 1, location.column - 1 + location.length).indexOf(text) ?? -1
  if (from < 0 || text === '') return location
  const start = Math.min(offset, text.length)
  return {
    ...location,
    column: location.column + from + start,
    length: Math.max(1, Math.min(length, text.length - start)),
  }
}

/** Creates a problem at a location. */
export function problemAt(
  location: Location,
  message: string,
  { hint, severity = 'error' }: { hint?: string | undefined; severity?: Problem['severity'] } = {},
): Problem {
  return { severity, ...location, message, ...(hint === undefined ? {} : { hint }) }
}

function childOf(node: Located | undefined, key: string | number): Located | undefined {
  if (node?.kind === 'map') return node.entries.get(String(key))?.value
  if (node?.kind === 'list') return node.items[Number(key)]
  return undefined
}
