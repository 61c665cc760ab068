import type { Problem } from './pipeline.ts'

/** Where something stands in a text that a person wrote: a pipeline file, or an argument of the command line. */
export interface Place {
  readonly file: string
  /** From 1, as the column; columns and lengths count UTF-16 code units, as editors do. */
  readonly line: number
  readonly column: number
  readonly length: number
  /** The line as it was written. */
  readonly text?: string
}

/** A value together with the place where it was written. */
export type Located = LocatedScalar | LocatedMap | LocatedList

export interface LocatedScalar {
  readonly kind: 'scalar'
  readonly place: Place
  readonly value: string | number | boolean | null
  /** The text as it was spelled, when that was without quotes. */
  readonly plain?: string
  /** True when a part of the text came from the environment or a file. */
  readonly interpolated?: boolean
  /** True when a part of the text is not known here: a variable that is not set. */
  readonly missing?: boolean
}

export interface LocatedMap {
  readonly kind: 'map'
  readonly place: Place
  readonly entries: ReadonlyMap<string, Entry>
}

export interface Entry {
  readonly key: Place
  readonly value: Located
}

interface LocatedList {
  readonly kind: 'list'
  readonly place: Place
  readonly items: readonly Located[]
}

export type Keys = readonly (string | number)[]

/** The node at the end of the keys, or undefined where they lead nowhere. */
export function nodeAt(node: Located | undefined, keys: Keys): Located | undefined {
  let at = node
  for (const key of keys) at = childOf(at, key)
  return at
}

/**
 * The place to point at for the keys: a scalar itself, the key in front of a map or list, and the nearest parent that was written
 * when the value came from a default.
 */
export function placeAt(root: Located, keys: Keys, rootPlace: Place = root.place): Place {
  let place = rootPlace
  let at: Located = root
  for (const key of keys) {
    const next = childOf(at, key)
    if (next === undefined) return place
    const before = at.kind === 'map' ? at.entries.get(String(key))?.key : undefined
    place = next.kind === 'scalar' ? next.place : (before ?? next.place)
    at = next
  }
  return place
}

/** The place of a key itself, for a key that should not be there. */
export function keyPlaceAt(root: Located, keys: Keys, key: string): Place | undefined {
  const parent = nodeAt(root, keys)
  return parent?.kind === 'map' ? parent.entries.get(key)?.key : undefined
}

/** True when a part of the value depends on a variable that is not set. */
export function isIncomplete(node: Located | undefined): boolean {
  if (node === undefined) return false
  if (node.kind === 'scalar') return node.missing === true
  if (node.kind === 'list') return node.items.some(isIncomplete)
  return [...node.entries.values()].some((entry) => isIncomplete(entry.value))
}

/** The place of a part of a text, when the text stands in the line as it is; else the whole place. */
export function partOf(place: Place, text: string, offset: number, length: number): Place {
  const from = place.text?.slice(place.column - 1, place.column - 1 + place.length).indexOf(text) ?? -1
  if (from < 0 || text === '') return place
  const start = Math.min(offset, text.length)
  return { ...place, column: place.column + from + start, length: Math.max(1, Math.min(length, text.length - start)) }
}

/** Makes a problem of a message and its place. */
export function problemAt(
  place: Place,
  message: string,
  { hint, severity = 'error' }: { hint?: string | undefined; severity?: Problem['severity'] } = {},
): Problem {
  return { severity, ...place, message, ...(hint === undefined ? {} : { hint }) }
}

function childOf(node: Located | undefined, key: string | number): Located | undefined {
  if (node?.kind === 'map') return node.entries.get(String(key))?.value
  if (node?.kind === 'list') return node.items[Number(key)]
  return undefined
}
