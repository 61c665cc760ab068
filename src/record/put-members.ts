import { CLOSE_OBJECT, COMMA, OPEN_OBJECT } from './json/ascii.ts'
import { depthOf } from './json/walk.ts'
import type { Batch } from './batch.ts'
import { Edit, FIRST_TOKEN } from './edits.ts'
import type { Path } from './paths/path.ts'
import { HIT_STRIDE, ValueKind } from './scan.ts'
import type { Tokens } from './tokens.ts'

/** A value for the member at a path of keys. */
export interface Put {
  readonly path: Path
  /** JSON text that stays valid until the members are put. */
  readonly json: Buffer
  /** Where the text is in `json`. Default: all of it. */
  readonly start?: number
  readonly end?: number
}

/** A put that is filled for one record after the other. */
export interface ReusedPut {
  readonly path: Path
  json: Buffer
  start: number
  end: number
}

export function reusedPut(path: Path): ReusedPut {
  return { path, json: NOTHING, start: 0, end: 0 }
}

const NOTHING = Buffer.alloc(0)

/** Fills a put with the value of a hit. Without an edit, the value stays where it is in the bytes. */
export function fillPut(put: ReusedPut, batch: Batch, hit: number): void {
  const kind = batch.kind(hit)
  if (batch.edits[hit] !== Edit.keep || kind === ValueKind.object || kind === ValueKind.array) {
    put.json = batch.raw(hit)
    put.start = 0
    put.end = put.json.length
  } else {
    const { hits } = batch.index
    put.json = batch.bytes
    put.start = hits[HIT_STRIDE * hit + 2]
    put.end = hits[HIT_STRIDE * hit + 3]
  }
}

/** Why a record cannot get its members, for `Batch.reject`. */
export interface Refusal {
  readonly code: 'PATH_BLOCKED' | 'TOO_LONG' | 'TOO_DEEP'
  readonly detail: string
}

/**
 * Whether a record can get these members: undefined, or why not. A value on the way to a put is in the
 * way unless it is an object or null. A length is refused a few bytes too early.
 * @param isMove The values come from the same record, and are deleted there.
 */
export function refusalOf(batch: Batch, record: number, puts: readonly Put[], isMove = false): Refusal | undefined {
  const blocked = blockedAt(batch, record, puts)
  if (blocked !== undefined) return { code: 'PATH_BLOCKED', detail: `${blocked.text} is not an object` }
  if (!fitsLine(batch, record, puts, isMove)) {
    return { code: 'TOO_LONG', detail: 'with the new members the record would be longer than limits.maxLine' }
  }
  if (fitsDepth(puts, batch.limits.maxDepth)) return undefined
  return { code: 'TOO_DEEP', detail: 'with the new members the record would nest deeper than limits.maxDepth' }
}

function blockedAt(batch: Batch, record: number, puts: readonly Put[]): Path | undefined {
  // No iterators here and below: this code runs for each record.
  for (let at = 0; at < puts.length; at++) {
    const above = nearest(batch, record, puts[at].path)
    if (above === undefined) continue
    const kind = batch.kind(batch.hit(record, above))
    if (kind !== ValueKind.object && kind !== ValueKind.null) return above
  }
  return undefined
}

function fitsLine(batch: Batch, record: number, puts: readonly Put[], isMove: boolean): boolean {
  let length = batch.longest(record)
  for (let at = 0; at < puts.length; at++) {
    const { path, json, start = 0, end = json.length } = puts[at]
    if (!isMove) length += end - start
    length += path.name.length + MEMBER_BYTES
    for (let above = path.parent; above !== undefined; above = above.parent) length += above.name.length + MEMBER_BYTES
  }
  if (length <= batch.limits.maxLine) return true
  for (const { path } of puts) {
    const hit = batch.hit(record, path)
    if (hit >= 0) length -= batch.raw(hit).length
  }
  return length <= batch.limits.maxLine
}

/** The comma and the braces of a new member. */
const MEMBER_BYTES = 3

function fitsDepth(puts: readonly Put[], maxDepth: number): boolean {
  for (let at = 0; at < puts.length; at++) {
    const { path, json, start = 0, end = json.length } = puts[at]
    const most = maxDepth - (path.keys?.length ?? 0)
    // Each level takes two bytes.
    if (end - start >= 2 * most && depthOf(json, start, end) > most) return false
  }
  return true
}

/**
 * Gives a record members, or other values. No path leads into another one, and nothing is in their way
 * (`refusalOf`). New members come last in their object. Objects on the way that are missing, or null,
 * are made. Of duplicate keys the copies that no reader sees are removed.
 *
 * These are edits only: a stage that puts members names them in `shape`, and the runtime writes them
 * into the bytes before a stage that asks for them (`Batch.writePuts`).
 */
export function putMembers(batch: Batch, record: number, puts: readonly Put[]): void {
  const { tokens } = batch
  /** New members of the record, and of objects in it; undefined if there are none. */
  let inside: Map<number, Tree> | undefined
  let isAppending = false
  for (let at = 0; at < puts.length; at++) {
    const put = puts[at]
    const { path } = put
    const hit = batch.hit(record, path)
    if (hit >= 0) {
      if (isAppending) {
        batch.append(record, RECORD, FIRST_TOKEN + tokens.end())
        isAppending = false
      }
      replace(batch, record, hit, put)
    } else if (path.parent === undefined && inside === undefined) {
      if (isAppending) tokens.writeByte(COMMA)
      tokens.write(path.name, 0, path.name.length)
      writeValue(tokens, put)
      isAppending = true
    } else {
      inside ??= new Map<number, Tree>()
      addInside(inside, batch, record, put)
    }
  }
  if (isAppending) batch.append(record, RECORD, FIRST_TOKEN + tokens.end())
  if (inside !== undefined) appendInside(inside, batch, record)
}

/** In place of a hit: the record itself. */
const RECORD = -1

function replace(batch: Batch, record: number, hit: number, put: Put): void {
  const { path, json, start } = put
  if (batch.hasDuplicates(record)) {
    for (const copy of batch.hits(record, path)) if (copy !== hit) batch.edit(copy, Edit.delete)
  }
  // The same Buffer, a constant, gives the same token.
  if (start === undefined) return batch.put(record, hit, batch.token(json))
  writeValue(batch.tokens, put)
  batch.put(record, hit, FIRST_TOKEN + batch.tokens.end())
}

function writeValue(tokens: Tokens, { json, start = 0, end = json.length }: Put): void {
  tokens.write(json, start, end)
}

/** New members: a value, or the members of a new object. */
type Tree = Map<string, Put | Tree>

function addInside(inside: Map<number, Tree>, batch: Batch, record: number, put: Put): void {
  const { path } = put
  const above = nearest(batch, record, path)
  const parent = above === undefined ? RECORD : batch.hit(record, above)
  const keys = (path.keys ?? []).slice(above?.keys?.length ?? 0)
  const tree: Tree = inside.get(parent) ?? new Map()
  inside.set(parent, tree)
  add(tree, keys, put)
}

function add(tree: Tree, [key, ...inner]: readonly string[], put: Put): void {
  if (inner.length === 0) {
    tree.set(key, put)
    return
  }
  const known = tree.get(key)
  const object: Tree = known instanceof Map ? known : new Map()
  tree.set(key, object)
  add(object, inner, put)
}

/** The innermost objects come first: an edit hides what is inside. */
function appendInside(inside: Map<number, Tree>, batch: Batch, record: number): void {
  const { tokens } = batch
  for (const [parent, tree] of [...inside].toSorted(([a], [b]) => b - a)) {
    if (parent === RECORD || (batch.kind(parent) === ValueKind.object && batch.edits[parent] === Edit.keep)) {
      writeTree(tokens, tree)
      batch.append(record, parent, FIRST_TOKEN + tokens.end())
      continue
    }
    // Null, or an object that an edit has put there.
    const object = batch.kind(parent) === ValueKind.object ? batch.raw(parent) : EMPTY
    const end = object.lastIndexOf(CLOSE_OBJECT)
    const isEmpty = /^\{\s*\}$/.test(object.toString('latin1'))
    tokens.write(object, 0, end)
    if (!isEmpty) tokens.writeByte(COMMA)
    writeTree(tokens, tree)
    tokens.writeByte(CLOSE_OBJECT)
    batch.put(record, parent, FIRST_TOKEN + tokens.end())
  }
}

const EMPTY = Buffer.from('{}')

function writeTree(tokens: Tokens, tree: Tree): void {
  let isFirst = true
  for (const [key, value] of tree) {
    if (!isFirst) tokens.writeByte(COMMA)
    isFirst = false
    const name = Buffer.from(`${JSON.stringify(key)}:`)
    tokens.write(name, 0, name.length)
    if (!(value instanceof Map)) {
      writeValue(tokens, value)
      continue
    }
    tokens.writeByte(OPEN_OBJECT)
    writeTree(tokens, value)
    tokens.writeByte(CLOSE_OBJECT)
  }
}

/** JSON text of members (`"a":1,"b":{"c":2}`) at paths of keys. No path leads into another one. */
export function membersText(puts: readonly Put[]): string {
  const tree: Tree = new Map()
  for (const put of puts) add(tree, put.path.keys ?? [], put)
  return textOf(tree)
}

function textOf(tree: Tree): string {
  const members = Array.from(tree, ([key, value]) => {
    const json = value instanceof Map ? `{${textOf(value)}}` : value.json.toString('utf8', value.start, value.end)
    return `${JSON.stringify(key)}:${json}`
  })
  return members.join(',')
}

/** The innermost path around a value that the record has; undefined if that is the record itself. */
function nearest(batch: Batch, record: number, path: Path): Path | undefined {
  let above = path.parent
  while (above !== undefined && batch.hit(record, above) < 0) above = above.parent
  return above
}
