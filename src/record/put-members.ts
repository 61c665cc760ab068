import { OPEN_ARRAY, OPEN_OBJECT } from './json/ascii.ts'
import type { Batch } from './batch.ts'
import { Edit } from './edits.ts'
import type { Path } from './paths/path.ts'
import { appendMembers } from './reuse-lines.ts'
import type { LineChange } from './reuse-lines.ts'
import { RECORD_STRIDE, ValueKind } from './scan.ts'

/** A value for the member at a path of keys. */
export interface Put {
  readonly path: Path
  /** JSON text that stays valid as long as the batch. */
  readonly json: Buffer
}

/**
 * The path on the way to a put where the record has a value that is neither an object nor null;
 * undefined if all puts are possible.
 */
export function blockedAt(batch: Batch, record: number, puts: readonly Put[]): Path | undefined {
  for (const { path } of puts) {
    const above = nearest(batch, record, path)
    if (above === undefined) continue
    const kind = batch.kind(batch.hit(record, above))
    if (kind !== ValueKind.object && kind !== ValueKind.null) return above
  }
  return undefined
}

/**
 * Whether a record is within the limit of a line with these puts. It may say no a few bytes too early.
 * @param isMove The values come from the same record.
 */
export function fitsLine(batch: Batch, record: number, puts: readonly Put[], isMove = false): boolean {
  const { records } = batch.index
  let length = records[RECORD_STRIDE * record + 1] - records[RECORD_STRIDE * record]
  for (const { path, json } of puts) {
    const hit = batch.hit(record, path)
    if (!isMove) length += json.length
    if (hit >= 0) length -= batch.raw(hit).length
    for (const key of path.keys ?? []) length += KEY_BYTES + MAX_ESCAPED * key.length
  }
  return length <= batch.limits.maxLine
}

/** Quotes, colon, comma and braces of a new member. */
const KEY_BYTES = 6
/** Bytes of a UTF-16 unit that is written as `\uXXXX`. */
const MAX_ESCAPED = 6

/**
 * Gives a record members, or other values. No path leads into another one, and nothing blocks them
 * (`blockedAt`). New members come last in their object. Objects on the way that are missing, or null,
 * are made. Of duplicate keys the copies that no reader sees are removed.
 *
 * @returns the change of the line for `rebuild`; undefined if edits of the batch are enough
 */
export function putMembers(batch: Batch, record: number, puts: readonly Put[]): LineChange | undefined {
  const top: Tree = new Map()
  const inside = new Map<number, Tree>()
  let needsScan = false
  for (const { path, json } of puts) {
    const hit = batch.hit(record, path)
    if (hit >= 0) {
      for (const copy of batch.hits(record, path)) if (copy !== hit) batch.edit(copy, Edit.delete)
      batch.edit(hit, batch.token(json))
      if (json[0] === OPEN_OBJECT || json[0] === OPEN_ARRAY) needsScan = true
      continue
    }
    const above = nearest(batch, record, path)
    const keys = (path.keys ?? []).slice(above?.keys?.length ?? 0)
    if (above === undefined) add(top, keys, json)
    else {
      const parent = batch.hit(record, above)
      const tree: Tree = inside.get(parent) ?? new Map()
      inside.set(parent, tree)
      add(tree, keys, json)
    }
  }
  // The innermost objects first: an edit hides what is inside.
  for (const [parent, tree] of [...inside].toSorted(([a], [b]) => b - a)) {
    const members = textOf(tree)
    const isObject = batch.kind(parent) === ValueKind.object
    const json = isObject ? appendMembers(batch.raw(parent), members) : Buffer.from(`{${members}}`)
    batch.edit(parent, batch.token(json))
    needsScan = true
  }
  const members = top.size === 0 ? undefined : textOf(top)
  if (!needsScan) return members === undefined ? undefined : { members }
  return { bytes: batch.line(record), members }
}

/** New members: JSON text, or the members of a new object. */
type Tree = Map<string, Buffer | Tree>

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

function textOf(tree: Tree): string {
  let text = ''
  for (const [key, value] of tree) {
    if (text !== '') text += ','
    text += `${JSON.stringify(key)}:${value instanceof Map ? `{${textOf(value)}}` : value.toString()}`
  }
  return text
}

/** The innermost path around a value that the record has; undefined if that is the record itself. */
function nearest(batch: Batch, record: number, path: Path): Path | undefined {
  let above = path.parent
  while (above !== undefined && batch.hit(record, above) < 0) above = above.parent
  return above
}
