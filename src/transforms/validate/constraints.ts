import { isList, isObject } from '../../record/json/json.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { isDateTime } from '../../record/json/instant.ts'
import { ValueKind } from '../../record/scan.ts'
import { Spellings } from './exact-json.ts'

/**
 * A constraint that a schema puts on the value at one path, and that can be checked on the index
 * and bytes of a record.
 */
export interface Constraint {
  readonly keys: readonly string[]
  /** The value must exist if the object around it exists. */
  readonly required: boolean
  /**
   * Kinds that are accepted, as bits `1 << kind`. A value of another kind is not necessarily
   * invalid: ajv decides.
   */
  readonly kinds: number
  /** Further tests on the bytes of values of some of these kinds. */
  readonly byteTests: readonly ByteTest[]
}

export interface ByteTest {
  readonly kinds: number
  /** Tests the bytes of the value as spelled, including quotes. */
  holds(bytes: Buffer, start: number, end: number): boolean
}

/**
 * Either constraints that together are equivalent to the schema, or a pointer to the first keyword
 * in it that has no fast path.
 */
export type SchemaAnalysis =
  | { readonly constraints: readonly Constraint[]; readonly unsupported?: never }
  | { readonly constraints?: never; readonly unsupported: string }

/**
 * Translates a schema into constraints. ajv has compiled the schema before, so it is known to be
 * valid.
 * @param spellings the numbers in the schema that JavaScript cannot represent.
 */
export function analyzeSchema(root: JsonObject, spellings = new Spellings()): SchemaAnalysis {
  const constraints: Constraint[] = []
  try {
    readNode(root, '', [], false, { constraints, spellings })
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.pointer }
    throw error
  }
  return { constraints }
}

class Unsupported extends Error {
  readonly pointer: string

  constructor(pointer: string) {
    super(pointer)
    this.pointer = pointer
  }
}

/** Each constraint needs a column of the index, 4 bytes per record. */
const MAX_CONSTRAINTS = 100
/** Maximum length of a path. */
const MAX_DEPTH = 32
const MAX_LITERAL_BYTES = 64
const ALL = (1 << (ValueKind.unusual + 1)) - 2
const STRINGS = bit(ValueKind.string) | bit(ValueKind.escaped)
const TYPES: { readonly [type: string]: number | undefined } = {
  string: STRINGS,
  object: bit(ValueKind.object),
  array: bit(ValueKind.array),
  boolean: bit(ValueKind.true) | bit(ValueKind.false),
  null: bit(ValueKind.null),
  number: bit(ValueKind.number),
  integer: bit(ValueKind.number),
}
/** Keywords that no record can violate. */
const ANNOTATIONS = new Set(
  '$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly'.split(' '),
)
const DOT = 0x2e

function readNode(
  node: Json,
  pointer: string,
  keys: readonly string[],
  required: boolean,
  analysis: { readonly constraints: Constraint[]; readonly spellings: Spellings },
): void {
  const { constraints, spellings } = analysis
  let kinds = ALL
  const byteTests: ByteTest[] = []
  let members: JsonObject = {}
  let needed: ReadonlySet<string> = new Set()
  for (const [keyword, value] of Object.entries(node === false ? { not: {} } : objectOf(node))) {
    const keywordPointer = `${pointer}/${escapeName(keyword)}`
    if (ANNOTATIONS.has(keyword)) continue
    if (keyword === 'properties') members = objectOf(value)
    else if (keyword === 'required') needed = new Set(listOf(value).map(String))
    else if (keyword === 'additionalProperties' && value === true) continue
    else if (keyword === 'type') kinds &= readType(value, byteTests)
    else if (keyword === 'minLength' && (value === 0 || value === 1)) {
      if (value === 1) byteTests.push({ kinds: bit(ValueKind.string), holds: (_bytes, start, end) => end - start > 2 })
    } else if (keyword === 'format' && value === 'date-time') {
      kinds &= ~bit(ValueKind.escaped)
      byteTests.push({
        kinds: bit(ValueKind.string),
        holds: (bytes, start, end) => isDateTime(bytes, start + 1, end - 1),
      })
    } else if (keyword === 'const' || keyword === 'enum') {
      const list = keyword === 'const' ? [value] : listOf(value)
      // ajv compares a number that JavaScript would round.
      const literals = list.filter(
        (_literal, at) => (keyword === 'const' ? spellings.of(node, keyword) : spellings.of(value, at)) === undefined,
      )
      kinds &= readLiterals(literals, byteTests, keywordPointer)
    } else throw new Unsupported(keywordPointer)
  }

  if (keys.length === 0) {
    // A record is an object; keywords for other kinds do not apply to it.
    if ((kinds & bit(ValueKind.object)) === 0) throw new Unsupported(`${pointer}/type`)
  } else if (required || kinds !== ALL || byteTests.length > 0) {
    if (constraints.length === MAX_CONSTRAINTS || keys.length > MAX_DEPTH) throw new Unsupported(pointer)
    constraints.push({ keys, required, kinds, byteTests })
  }
  for (const name of new Set([...Object.keys(members), ...needed])) {
    const member = Object.hasOwn(members, name) ? members[name] : true
    readNode(member, `${pointer}/properties/${escapeName(name)}`, [...keys, name], needed.has(name), analysis)
  }
}

function readType(value: Json, byteTests: ByteTest[]): number {
  const types = listOf(value).map(String)
  if (types.includes('integer') && !types.includes('number')) {
    byteTests.push({ kinds: bit(ValueKind.number), holds: (bytes, start, end) => !hasDot(bytes, start, end) })
  }
  return types.reduce((kinds, type) => kinds | (TYPES[type] ?? 0), 0)
}

/** Compares values in their plain spelling. ajv checks any other spelling. */
function readLiterals(values: readonly Json[], byteTests: ByteTest[], keywordPointer: string): number {
  let kinds = 0
  const spellings: Buffer[] = []
  for (const value of values) {
    if (value === null) kinds |= bit(ValueKind.null)
    else if (typeof value === 'boolean') kinds |= bit(value ? ValueKind.true : ValueKind.false)
    else if (typeof value === 'string' || typeof value === 'number') {
      const spelling = Buffer.from(JSON.stringify(value))
      if (spelling.length > MAX_LITERAL_BYTES || spelling.includes('\\')) continue
      kinds |= bit(typeof value === 'string' ? ValueKind.string : ValueKind.number)
      spellings.push(spelling)
    }
  }
  if (kinds === 0) throw new Unsupported(keywordPointer)
  byteTests.push({
    kinds: bit(ValueKind.string) | bit(ValueKind.number),
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

/**
 * ajv has compiled the schema: an expected object is an object, or `true`, which accepts
 * everything.
 */
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
