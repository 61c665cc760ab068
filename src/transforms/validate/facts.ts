import type { Json, JsonObject } from '../../record/json/json.ts'
import { isInstant } from '../../record/json/instant.ts'
import { Kind } from '../../record/scan.ts'
import { isList, isObject } from '../../record/json/json.ts'

/** What a schema asks of the value at one path, as far as the index of a record can prove it. */
export interface Fact {
  readonly keys: readonly string[]
  /** The value must be there when the object around it is. */
  readonly required: boolean
  /** Kinds that are right, as bits `1 << kind`. A value of another kind is not wrong, only not proven right. */
  readonly kinds: number
  /** Tests on the bytes of values of some of these kinds. */
  readonly looks: readonly Look[]
}

export interface Look {
  readonly kinds: number
  /** Bytes of the value as they are spelled, quotes included. */
  holds(bytes: Buffer, start: number, end: number): boolean
}

/** Either the facts that together are the schema, or the first keyword (a pointer into the schema) that cannot be proven. */
export type Proof =
  { readonly facts: readonly Fact[]; readonly because?: never } | { readonly facts?: never; readonly because: string }

/** Reads a schema that ajv has compiled: what is left to doubt here is only whether the index can prove it. */
export function proofOf(root: JsonObject): Proof {
  const facts: Fact[] = []
  try {
    readNode(root, '', [], false, facts)
  } catch (error) {
    if (error instanceof Unprovable) return { because: error.pointer }
    throw error
  }
  return { facts }
}

class Unprovable extends Error {
  readonly pointer: string

  constructor(pointer: string) {
    super(pointer)
    this.pointer = pointer
  }
}

/** Each fact is a column of the index, 4 bytes a record. */
const MAX_FACTS = 100
/** Paths are not longer than this. */
const MAX_DEPTH = 32
const MAX_LITERAL_BYTES = 64
const ALL = (1 << (Kind.unusual + 1)) - 2
const STRINGS = bit(Kind.string) | bit(Kind.escaped)
const TYPES: { readonly [type: string]: number | undefined } = {
  string: STRINGS,
  object: bit(Kind.object),
  array: bit(Kind.array),
  boolean: bit(Kind.true) | bit(Kind.false),
  null: bit(Kind.null),
  number: bit(Kind.number),
  integer: bit(Kind.number),
}
/** Keywords that no record can break. */
const ANNOTATIONS = new Set(
  '$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly'.split(' '),
)
const DOT = 0x2e

function readNode(node: Json, pointer: string, keys: readonly string[], required: boolean, facts: Fact[]): void {
  let kinds = ALL
  const looks: Look[] = []
  let members: JsonObject = {}
  let needed: ReadonlySet<string> = new Set()
  for (const [keyword, value] of Object.entries(node === false ? { not: {} } : objectOf(node))) {
    const place = `${pointer}/${escapeName(keyword)}`
    if (ANNOTATIONS.has(keyword)) continue
    if (keyword === 'properties') members = objectOf(value)
    else if (keyword === 'required') needed = new Set(listOf(value).map(String))
    else if (keyword === 'additionalProperties' && value === true) continue
    else if (keyword === 'type') kinds &= readType(value, looks)
    else if (keyword === 'minLength' && (value === 0 || value === 1)) {
      if (value === 1) looks.push({ kinds: bit(Kind.string), holds: (_bytes, start, end) => end - start > 2 })
    } else if (keyword === 'format' && value === 'date-time') {
      kinds &= ~bit(Kind.escaped)
      looks.push({
        kinds: bit(Kind.string),
        holds: (bytes, start, end) => isInstant(bytes, start + 1, end - 1),
      })
    } else if (keyword === 'const' || keyword === 'enum') {
      kinds &= readLiterals(keyword === 'const' ? [value] : listOf(value), looks, place)
    } else throw new Unprovable(place)
  }

  if (keys.length === 0) {
    // A record is an object; what is said of other kinds does not concern it.
    if ((kinds & bit(Kind.object)) === 0) throw new Unprovable(`${pointer}/type`)
  } else if (required || kinds !== ALL || looks.length > 0) {
    if (facts.length === MAX_FACTS || keys.length > MAX_DEPTH) throw new Unprovable(pointer)
    facts.push({ keys, required, kinds, looks })
  }
  for (const name of new Set([...Object.keys(members), ...needed])) {
    const member = Object.hasOwn(members, name) ? members[name] : true
    readNode(member, `${pointer}/properties/${escapeName(name)}`, [...keys, name], needed.has(name), facts)
  }
}

function readType(value: Json, looks: Look[]): number {
  const types = listOf(value).map(String)
  if (types.includes('integer') && !types.includes('number')) {
    looks.push({ kinds: bit(Kind.number), holds: (bytes, start, end) => !hasDot(bytes, start, end) })
  }
  return types.reduce((kinds, type) => kinds | (TYPES[type] ?? 0), 0)
}

/** Values are compared as they are spelled, in their plain spelling; any other spelling is in doubt. */
function readLiterals(values: readonly Json[], looks: Look[], place: string): number {
  let kinds = 0
  const spellings: Buffer[] = []
  for (const value of values) {
    if (value === null) kinds |= bit(Kind.null)
    else if (typeof value === 'boolean') kinds |= bit(value ? Kind.true : Kind.false)
    else if (typeof value === 'string' || typeof value === 'number') {
      const spelling = Buffer.from(JSON.stringify(value))
      if (spelling.length > MAX_LITERAL_BYTES || spelling.includes('\\')) continue
      kinds |= bit(typeof value === 'string' ? Kind.string : Kind.number)
      spellings.push(spelling)
    }
  }
  if (kinds === 0) throw new Unprovable(place)
  looks.push({
    kinds: bit(Kind.string) | bit(Kind.number),
    holds: (bytes, start, end) => spellings.some((spelling) => isSpelled(bytes, start, end, spelling)),
  })
  return kinds
}

function isSpelled(bytes: Buffer, start: number, end: number, spelling: Buffer): boolean {
  if (end - start !== spelling.length) return false
  for (let at = 0; at < spelling.length; at++) if (bytes[start + at] !== spelling[at]) return false
  return true
}

function hasDot(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === DOT) return true
  return false
}

/** The schema has been compiled: what should be an object is one, or `true`, which asks for nothing. */
function objectOf(value: Json): JsonObject {
  return isObject(value) ? value : {}
}

function listOf(value: Json): readonly Json[] {
  return isList(value) ? value : [value]
}

function bit(kind: number): number {
  return 1 << kind
}

function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
