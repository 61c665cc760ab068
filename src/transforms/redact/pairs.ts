import type { Batch } from '../../record/batch.ts'
import { Edit } from '../../record/batch.ts'
import { cachedTest } from '../../record/author/cached-test.ts'
import { CLOSE_ARRAY, CLOSE_OBJECT, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE, BACKSLASH } from '../../record/json/ascii.ts'
import { MEMBER_STRIDE, readMembers, skipSpace, skipSpaceBack, skipString, skipValue } from '../../record/json/walk.ts'
import { ACCEPT_MASK } from '../../record/paths/automaton.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { HIT_STRIDE, RECORD_STRIDE, ValueKind } from '../../record/scan.ts'
import { isSecretName, wordsOf } from './names.ts'
import { remembered, rememberedAt } from './remembered.ts'

/** Masks values whose name is a value beside them; see `createPairs`. */
export type Preparation = (batch: Batch) => void

/** Keys of the name in a pair. */
export const PAIR_NAMES =
  'field, field name, property, property name, attribute, attribute name, parameter, parameter name, parameter key, attribute key, header, header name, header key, option name, setting, setting name, variable, variable name, changed field'
/** Keys of the name that many other objects have too; they are read only beside a key of a value. */
export const COMMON_PAIR_NAMES = 'name, key, display name, option, label, param, column, purpose, type, id, k, n, t'
/** Keys of the values in a pair. */
export const PAIR_VALUES =
  'value, val, v, from, to, old, new, old value, new value, before, after, previous, current, previous value, current value, original value, updated value, string value, multi value, int value, multi str value, multi int value, changed from, changed to, old val, new val, plain value, plaintext value, parameter value, attribute value, header value, option value, property value, setting value, variable value'

/**
 * Finds pairs of a name and its values in every record, and edits the values of secret names:
 * `{"name":"Authorization","value":…}`, `{"field":"password","from":…,"to":…}`, header lists
 * (`["Cookie","…"]`) at any depth. Order and number of the members do not matter.
 *
 * Most names are not secret. Only around a secret one, and beside a value without a name, are bytes
 * read: back to the start of the object, and then over its members.
 */
export function createPairs(paths: Paths, edit: (batch: Batch, hit: number) => number): Preparation {
  paths.readsNeighbours()
  const names = paths.addSegments([DEEP, keyTest('names in pairs', PAIR_NAMES)])
  const values = paths.addSegments([DEEP, keyTest('values in pairs', PAIR_VALUES)])
  const listed = paths.add('**[*][*]')
  const headers = paths.addSegments([DEEP, HEADERS, { kind: 'elements' }])
  const options = paths.add('**./^(process|command)?[ _-]?(argv?|args|arguments|cmd|commands?|command[ _-]?line)$/i[*]')
  const isSecretString = cachedTest(isSecretName)
  const isSecretOption = cachedTest((text) => OPTION.test(text) && isSecretName(text))
  const commonNames = wordSet(COMMON_PAIR_NAMES)
  const isCommonName = rememberedAt((key) => commonNames.has(wordsOf(key).join(' ')))
  const isSecretText = rememberedAt(isSecretName)
  let accepts: readonly (readonly number[])[] = []
  /** By accept set: `NAME`, `VALUE`, or both. */
  let roles = new Uint8Array(256)
  let roleCount = 0
  /** Number of bytes of the object that was read last. */
  let read = 0

  const isSecretNameAt = (batch: Batch, hit: number): boolean => {
    const kind = batch.kind(hit)
    if (isText(batch, hit)) return isSecretString(batch, hit)
    return (
      kind === ValueKind.array &&
      [...batch.text(hit).matchAll(STRINGS)].some(([text]) => isSecretName(text.slice(1, -1)))
    )
  }

  return (batch) => {
    for (const path of [names, values, listed, headers, options])
      if (path.id >= batch.index.pathCount) batch.hit(0, path)
    const { pathCount, columns } = batch.index
    if (accepts !== batch.index.accepts) roleCount = 0
    accepts = batch.index.accepts
    while (roleCount < accepts.length) {
      const ids = accepts[roleCount]
      if (roleCount === roles.length) roles = doubled(roles)
      roles[roleCount++] = (ids.includes(names.id) ? NAME : 0) | (ids.includes(values.id) ? VALUE : 0)
    }
    for (let record = 0; record < batch.count; record++) {
      const row = record * pathCount
      if (columns[row + values.id] !== 0) maskPairs(batch, record)
      if (columns[row + listed.id] !== 0) maskNext(batch, record, listed, isSecretString)
      if (columns[row + headers.id] !== 0) maskNext(batch, record, headers, isSecretString)
      if (columns[row + options.id] !== 0) maskNext(batch, record, options, isSecretOption)
    }
  }

  function maskPairs(batch: Batch, record: number): void {
    const { bytes } = batch
    const { hits, records } = batch.index
    const first = records[record * RECORD_STRIDE + 2]
    const last = records[(record + 1) * RECORD_STRIDE + 2]
    // Hostile records: no more reading than a few times their length.
    let budget = 65_536 + 4 * (records[record * RECORD_STRIDE + 1] - records[record * RECORD_STRIDE])
    /** The end of a member whose name is known not to be secret, or whose values were looked at. */
    let known = -1
    /** The same, of the member around the last hits. */
    let outer = -1
    for (let hit = first; hit < last; hit++) {
      const role = roles[hits[HIT_STRIDE * hit] & ACCEPT_MASK]
      if (role === 0) continue
      const key = hits[HIT_STRIDE * hit + 1]
      const before = known
      known = hits[HIT_STRIDE * hit + 3]
      if (key < before) outer = before
      const isKnown = isNextMember(bytes, before, key) || isNextMember(bytes, outer, key)
      if (role === NAME ? !isSecretNameAt(batch, hit) : isKnown) continue
      const found = maskNeighbours(batch, hit, last)
      // Neighbours usually tell all: the name of the pair, or that there is no other member.
      if ((found & COMPLETE) !== 0) continue
      if (budget <= 0) return maskAll(batch, first, last)
      const start = startOfObject(bytes, key)
      if ((found & SECRET) !== 0 || hasSecretName(bytes, start)) {
        const members = readMembers(bytes, start)
        read = members[members.length - 1] - start
        maskMembers(batch, members, first, last)
      }
      budget -= read
    }
  }

  /**
   * Looks at the names and values that follow one another from this hit on, without other members
   * between them, and masks the values of a secret name. Returns `SECRET` if there is one, and
   * `COMPLETE` if that is all of the object, or has a name that is not secret.
   */
  function maskNeighbours(batch: Batch, from: number, last: number): number {
    const { bytes } = batch
    const { hits } = batch.index
    let hasName = false
    let isSecret = false
    let end = -1
    let next = from
    for (; next < last; next++) {
      const key = hits[HIT_STRIDE * next + 1]
      // Hits inside the value before.
      if (key < end) continue
      const role = roles[hits[HIT_STRIDE * next] & ACCEPT_MASK]
      if (role === 0 || (end >= 0 && !isNextMember(bytes, end, key))) break
      end = hits[HIT_STRIDE * next + 3]
      if ((role & NAME) === 0) continue
      hasName = true
      isSecret ||= isSecretNameAt(batch, next)
    }
    const before = skipSpaceBack(bytes, hits[HIT_STRIDE * from + 1] - 1)
    const isWhole = bytes[before] === OPEN_OBJECT && bytes[skipSpace(bytes, end)] === CLOSE_OBJECT
    if (!isSecret) return hasName || isWhole ? COMPLETE : 0
    let inside = -1
    for (let hit = from; hit < next; hit++) {
      if (hits[HIT_STRIDE * hit + 1] < inside) continue
      inside = hits[HIT_STRIDE * hit + 3]
      if (isValue(batch, hit)) mask(batch, hit)
    }
    return isWhole ? SECRET | COMPLETE : SECRET
  }

  function isValue(batch: Batch, hit: number): boolean {
    return (roles[batch.index.hits[HIT_STRIDE * hit] & ACCEPT_MASK] & VALUE) !== 0
  }

  /** Whether the object at `start` has a secret name under a common key. Stops at the first one. */
  function hasSecretName(bytes: Buffer, start: number): boolean {
    let at = skipSpace(bytes, start + 1)
    while (bytes[at] !== CLOSE_OBJECT) {
      const key = at
      const value = skipSpace(bytes, skipSpace(bytes, skipString(bytes, key)) + 1)
      if (bytes[value] === QUOTE && isCommonName(bytes, key) && isSecretText(bytes, value)) return true
      at = skipSpace(bytes, skipValue(bytes, value))
      if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
    }
    read = at - start
    return false
  }

  function maskMembers(batch: Batch, members: readonly number[], first: number, last: number): void {
    const { hits } = batch.index
    let hit = first
    for (let at = 0; at < members.length; at += MEMBER_STRIDE) {
      while (hit < last && hits[HIT_STRIDE * hit + 1] < members[at]) hit++
      if (hit < last && hits[HIT_STRIDE * hit + 1] === members[at] && batch.belongs(hit, values)) mask(batch, hit)
    }
  }

  function maskAll(batch: Batch, first: number, last: number): void {
    for (let hit = first; hit < last; hit++) if (batch.belongs(hit, values)) mask(batch, hit)
  }

  /** In a list of strings, the string after a secret name is its value. */
  function maskNext(batch: Batch, record: number, path: Path, isSecret: typeof isSecretString): void {
    const { hits, records } = batch.index
    const last = records[(record + 1) * RECORD_STRIDE + 2]
    for (let hit = records[record * RECORD_STRIDE + 2]; hit < last - 1; hit++) {
      if (!batch.belongs(hit, path) || !isText(batch, hit) || !isSecret(batch, hit)) continue
      const next = hit + 1
      const end = skipSpace(batch.bytes, hits[HIT_STRIDE * hit + 3])
      const isNext = batch.bytes[end] === COMMA && skipSpace(batch.bytes, end + 1) === hits[HIT_STRIDE * next + 2]
      // Two names in a row: a list of names.
      if (!isNext || (isText(batch, next) && isSecret(batch, next))) continue
      mask(batch, next)
      hit++
    }
  }

  function mask(batch: Batch, hit: number): void {
    if (batch.edits[hit] !== Edit.keep) return
    const change = edit(batch, hit)
    if (change !== Edit.keep) batch.edit(hit, change)
  }
}

/** Whether a key holds the value of a pair. */
export function isPairValue(key: string): boolean {
  return wordSet(PAIR_VALUES).has(wordsOf(key).join(' '))
}

/** An option without its value: the value is the next argument. */
const OPTION = /^--?[A-Za-z][\w-]*$/
const NAME = 1
const VALUE = 2
const SECRET = 1
const COMPLETE = 2
const DEEP = { kind: 'deep' } as const
/** Not a pattern of a path: those are much slower, which a stream of new keys would feel. */
const HEADERS = {
  kind: 'pattern',
  pattern: { text: '<lists of headers>', test: remembered((key) => HEADERS_KEY.test(key.normalize('NFKC'))) },
} as const
const HEADERS_KEY = /^(?:raw|request|response|http)?[ _-]?headers?$/i
const STRINGS = /"(?:[^"\\]|\\[^])*"/g

function keyTest(text: string, keys: string) {
  const known = wordSet(keys)
  return {
    kind: 'pattern',
    pattern: { text: `<${text}>`, test: remembered((key) => known.has(wordsOf(key).join(' '))) },
  } as const
}

function doubled(roles: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * roles.length)
  larger.set(roles)
  return larger
}

function wordSet(keys: string): ReadonlySet<string> {
  return new Set(keys.split(', ').map((key) => wordsOf(key).join(' ')))
}

function isText(batch: Batch, hit: number): boolean {
  const kind = batch.kind(hit)
  return kind === ValueKind.string || kind === ValueKind.escaped
}

/** Whether the member at `key` follows the value that ends at `end` (-1 for none), in the same object. */
function isNextMember(bytes: Buffer, end: number, key: number): boolean {
  if (end < 0) return false
  const comma = skipSpace(bytes, end)
  return bytes[comma] === COMMA && skipSpace(bytes, comma + 1) === key
}

/** The start of the object whose member begins at `key`, in JSON text known to be valid. */
function startOfObject(bytes: Buffer, key: number): number {
  let at = key
  let depth = 0
  for (;;) {
    const byte = bytes[--at]
    if (byte === QUOTE) at = startOfString(bytes, at)
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth++
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth === 0) return at
      depth--
    }
  }
}

function startOfString(bytes: Buffer, end: number): number {
  let at = end - 1
  for (;;) {
    // The native search is slower for the few bytes of a name.
    while (bytes[at] !== QUOTE) at--
    let first = at
    while (bytes[first - 1] === BACKSLASH) first--
    if ((at - first) % 2 === 0) return at
    at--
  }
}
