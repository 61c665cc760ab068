import { CLOSE_OBJECT, COMMA, OPEN_OBJECT } from './json/ascii.ts'
import { depthOf } from './json/walk.ts'
import type { Batch } from './batch.ts'
import { Edit, FIRST_TOKEN } from './edits.ts'
import type { Path } from './paths/path.ts'
import { ValueKind } from './scan.ts'
import type { Tokens } from './tokens.ts'

/** A value for the member at a path of keys. */
export interface Put {
  readonly path: Path
  /** JSON text that stays valid until the members are put. */
  readonly json: Buffer
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
    const { path, json } = puts[at]
    if (!isMove) length += json.length
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
    const { path, json } = puts[at]
    const most = maxDepth - (path.keys?.length ?? 0)
    // Each level takes two bytes.
    if (json.length >= 2 * most && depthOf(json) > most) return false
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
    const { path, json } = puts[at]
    const hit = batch.hit(record, path)
    if (hit >= 0) {
      if (isAppending) {
        batch.append(record, RECORD, FIRST_TOKEN + tokens.end())
        isAppending = false
      }
      replace(batch, record, path, hit, json)
    } else if (path.parent === undefined && inside === undefined) {
      if (isAppending) tokens.writeByte(COMMA)
      writeMember(tokens, path.name, json)
      isAppending = true
    } else {
      inside ??= new Map<number, Tree>()
      addInside(inside, batch, record, puts[at])
    }
  }
  if (isAppending) batch.append(record, RECORD, FIRST_TOKEN + tokens.end())
  if (inside !== undefined) appendInside(inside, batch, record)
}

/** In place of a hit: the record itself. */
const RECORD = -1

function replace(batch: Batch, record: number, path: Path, hit: number, json: Buffer): void {
  if (batch.hasDuplicates(record)) {
    for (const copy of batch.hits(record, path)) if (copy !== hit) batch.edit(copy, Edit.delete)
  }
  batch.put(record, hit, batch.token(json))
}

function writeMember(tokens: Tokens, name: Buffer, json: Buffer): void {
  tokens.write(name, 0, name.length)
  tokens.write(json, 0, json.length)
}

/** New members: JSON text, or the members of a new object. */
type Tree = Map<string, Buffer | Tree>

function addInside(inside: Map<number, Tree>, batch: Batch, record: number, { path, json }: Put): void {
  const above = nearest(batch, record, path)
  const parent = above === undefined ? RECORD : batch.hit(record, above)
  const keys = (path.keys ?? []).slice(above?.keys?.length ?? 0)
  const tree: Tree = inside.get(parent) ?? new Map()
  inside.set(parent, tree)
  add(tree, keys, json)
}

function add(tree: Tree, [key, ...inner]: readonly string[], json: Buffer): void {
  if (inner.length === 0) {
    tree.set(key, json)
    return
  }
  const known = tree.get(key)
  const object: Tree = known instanceof Map ? known : new Map()
  tree.set(key, object)
  add(object, inner, json)
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
    if (!(value instanceof Map)) {
      writeMember(tokens, name, value)
      continue
    }
    tokens.write(name, 0, name.length)
    tokens.writeByte(OPEN_OBJECT)
    writeTree(tokens, value)
    tokens.writeByte(CLOSE_OBJECT)
  }
}

/** JSON text of members (`"a":1,"b":{"c":2}`) at paths of keys. No path leads into another one. */
export function membersText(puts: readonly Put[]): string {
  const tree: Tree = new Map()
  for (const { path, json } of puts) add(tree, path.keys ?? [], json)
  return textOf(tree)
}

function textOf(tree: Tree): string {
  const members = Array.from(tree, ([key, value]) => {
    const json = value instanceof Map ? `{${textOf(value)}}` : value.toString()
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
