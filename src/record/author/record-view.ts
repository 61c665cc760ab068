import { SluiceError } from '../../errors.ts'
import { LINE_FEED } from '../json/ascii.ts'
import { Batch } from '../batch.ts'
import { writeAdded, writeChanges } from './changes.ts'
import { compileCondition } from './condition.ts'
import { applyPatches } from '../edits.ts'
import { skipSpaceBack } from '../json/walk.ts'
import type { Patch } from '../edits.ts'
import type { Json, JsonObject } from '../json/json.ts'
import { jsonText } from '../json/json-text.ts'
import { Paths } from '../paths/path.ts'
import type { Path } from '../paths/path.ts'
import { Rejection } from './record.ts'
import type { Condition, Record } from './record.ts'
import { LineFault, ValueKind, RECORD_STRIDE, scanWhole } from '../scan.ts'
import { appendMembers } from '../reuse-lines.ts'
import type { LineChange } from '../reuse-lines.ts'

/**
 * Creates the author's view of a live record. Changes stay in the view; the batch does not change.
 * See `recordChange`.
 */
export function recordView(batch: Batch, record: number): Record {
  return new RecordView(batch, record)
}

/** Distinguishes a record that a function returns from an object that it created. */
export function isRecord(value: unknown): value is Record {
  return value instanceof RecordView
}

/** The change of the line of record `number` in `batch` that leads to the line of `record`. */
export function recordChange(record: Record, batch: Batch, number: number): LineChange {
  return viewOf(record).changeOf(batch, number)
}

/**
 * `recordChange` for an object that a function returned for the record, see `changedLine`.
 * @throws SluiceError VALUE_INVALID
 */
export function objectChange(record: Record, returned: JsonObject, batch: Batch, number: number): LineChange {
  const view = viewOf(record)
  const added = writeAdded(view.value, returned, view.maxDepth)
  return added === undefined
    ? { bytes: writeChanges(view.line(), view.value, returned, view.maxDepth) }
    : view.changeOf(batch, number, added)
}

/** No change. */
export const UNCHANGED: LineChange = {}

/** The bytes of the record with all changes, without a line feed. */
export function recordLine(record: Record): Buffer {
  return viewOf(record).line()
}

/**
 * The line for an object that a function returned for a record. Members that are identical to those
 * of `record.value` keep their bytes and their position; changed members are rewritten, missing
 * members are removed, new members come last.
 * @throws SluiceError VALUE_INVALID if JSON cannot represent the object, or it nests deeper than
 * the limit.
 */
export function changedLine(record: Record, returned: JsonObject): Buffer {
  const view = viewOf(record)
  return writeChanges(view.line(), view.value, returned, view.maxDepth)
}

/**
 * Beyond this many paths, paths that custom code uses at run time are not added to the pipeline.
 * Each such query scans its record again.
 */
const MAX_PATHS = 512
const MAX_CONDITIONS = 256

const FORBIDDEN = new Set(['__proto__', 'prototype', 'constructor'])

type Compiled = ReturnType<typeof compileCondition>
const conditions = new WeakMap<Paths, Map<string, Compiled>>()

function viewOf(record: Record): RecordView {
  if (record instanceof RecordView) return record
  throw new SluiceError('INTERNAL', 'not a record of this pipeline')
}

class RecordView implements Record {
  /** The batch of the record; a batch of its own after a change was followed by a query. */
  #batch: Batch
  #record: number
  /** The bytes after a change that no query has followed yet. */
  #line: Buffer | undefined
  /** JSON text of members that were set and are appended to the record, and their keys. */
  #added = ''
  #addedKeys: readonly string[] = []
  #value: JsonObject | undefined

  constructor(batch: Batch, record: number) {
    this.#batch = batch
    this.#record = record
  }

  get maxDepth(): number {
    return this.#batch.limits.maxDepth
  }

  line(): Buffer {
    const line = this.#line ?? this.#batch.line(this.#record)
    return this.#added === '' ? line : appendMembers(line, this.#added)
  }

  changeOf(batch: Batch, record: number, more = ''): LineChange {
    const members = this.#added === '' || more === '' ? this.#added + more : `${this.#added},${more}`
    if (this.#line === undefined && this.#batch === batch && this.#record === record) {
      return members === '' ? UNCHANGED : { members }
    }
    const line = this.line()
    return { bytes: more === '' ? line : appendMembers(line, more) }
  }

  get(wanted: string | Path): Json | undefined {
    const { batch, record, path } = this.#find(textOf(wanted))
    if (path.keys === undefined) return Object.freeze(batch.visible(record, path).map((hit) => readHit(batch, hit)))
    const hit = batch.hit(record, path)
    return hit < 0 ? undefined : readHit(batch, hit)
  }

  text(wanted: string | Path): string | undefined {
    const { batch, record, path } = this.#find(textOf(wanted))
    if (path.keys === undefined)
      return `[${batch
        .visible(record, path)
        .map((hit) => batch.raw(hit).toString())
        .join(',')}]`
    const hit = batch.hit(record, path)
    return hit < 0 ? undefined : batch.text(hit)
  }

  has(wanted: string | Path): boolean {
    const { batch, record, path } = this.#find(textOf(wanted))
    return batch.hit(record, path) >= 0
  }

  set(wanted: string | Path, value: Json): this {
    const text = textOf(wanted)
    const { batch, record, path } = this.#find(text)
    const { keys } = path
    if (keys === undefined) throw new SluiceError('PATH_INVALID', `set takes a path of plain keys, not ${text}`)
    const forbidden = keys.find((key) => FORBIDDEN.has(key))
    if (forbidden !== undefined) throw new SluiceError('PATH_INVALID', `set does not take the key ${forbidden}`)
    const json = jsonText(value, this.maxDepth - keys.length)
    if (batch === this.#batch && batch.hit(record, topOf(path)) < 0) this.#append(keys, json)
    else this.#replace(text, json)
    return this
  }

  delete(wanted: string | Path): this {
    const { batch, record, path } = this.#findUnedited(textOf(wanted))
    const patches = batch.hits(record, path).map((hit) => patchHit(batch, hit, undefined))
    if (patches.length > 0) this.#applyPatches(batch, record, patches)
    return this
  }

  matches(condition: Condition): boolean {
    const { paths } = this.#batch
    if (paths.size < MAX_PATHS) {
      this.#refresh()
      return compiled(condition, paths)(this.#batch, this.#record)
    }
    const batch = this.#alone()
    return compileCondition(condition, batch.paths)(batch, 0)
  }

  reject(code: string, detail?: string): Rejection {
    return new Rejection(code, detail)
  }

  get value(): JsonObject {
    if (this.#value === undefined) {
      const value: JsonObject = JSON.parse(this.#text())
      this.#value = freeze(value)
    }
    return this.#value
  }

  #text(): string {
    if (this.#line !== undefined || this.#added !== '' || this.#batch.isEdited(this.#record))
      return this.line().toString()
    const { records } = this.#batch.index
    const start = records[RECORD_STRIDE * this.#record]
    const end = records[RECORD_STRIDE * this.#record + 1]
    return this.#batch.bytes.toString('utf8', start, end)
  }

  #find(text: string): { batch: Batch; record: number; path: Path } {
    const { paths } = this.#batch
    if (paths.size < MAX_PATHS || paths.has(text)) {
      const path = paths.add(text)
      this.#refresh(path)
      return { batch: this.#batch, record: this.#record, path }
    }
    const batch = this.#alone()
    return { batch, record: 0, path: batch.paths.add(text) }
  }

  /** `#find` in a batch without edits: the hits are those of the current bytes. */
  #findUnedited(text: string) {
    if (this.#added !== '' || (this.#line === undefined && this.#batch.isEdited(this.#record)))
      this.#setLine(this.line())
    return this.#find(text)
  }

  /** Scans the record into a batch with its own set of paths. */
  #alone(): Batch {
    return openLine(this.line(), new Paths(), this.#batch)
  }

  /**
   * Scans the changed bytes before a query. Not needed if the path matches none of the members that
   * were set.
   */
  #refresh(path?: Path): void {
    if (this.#line === undefined) {
      if (this.#added === '') return
      if (path?.keys !== undefined && !this.#addedKeys.includes(path.keys[0])) return
    }
    this.#batch = openLine(this.line(), this.#batch.paths, this.#batch)
    this.#record = 0
    this.#line = undefined
    this.#added = ''
    this.#addedKeys = []
  }

  #append(keys: readonly string[], json: string): void {
    const member = nest(keys, json).slice(1, -1)
    this.#added = this.#added === '' ? member : `${this.#added},${member}`
    this.#addedKeys = [...this.#addedKeys, keys[0]]
    this.#value = undefined
  }

  #replace(text: string, json: string): void {
    const { batch, record, path } = this.#findUnedited(text)
    const target = batch.hit(record, path)
    const patches = batch
      .hits(record, path)
      .map((hit) => patchHit(batch, hit, hit === target ? Buffer.from(json) : undefined))
    if (target < 0) patches.push(insertMember(batch, record, path, json))
    this.#applyPatches(batch, record, patches)
  }

  #applyPatches(batch: Batch, record: number, patches: Patch[]): void {
    const { records } = batch.index
    const from = records[RECORD_STRIDE * record]
    const to = records[RECORD_STRIDE * record + 1]
    const ordered = patches.toSorted((a, b) => a.start - b.start)
    this.#setLine(applyPatches(batch.bytes, from, to, ordered))
  }

  #setLine(line: Buffer): void {
    this.#line = line
    this.#added = ''
    this.#addedKeys = []
    this.#value = undefined
  }
}

function textOf(path: string | Path): string {
  return typeof path === 'string' ? path : path.text
}

/** The top-level path that a plain path begins with. */
function topOf(path: Path): Path {
  let top = path
  while (top.parent !== undefined) top = top.parent
  return top
}

/**
 * A batch of one record, for reading only. The length limit is checked when the line leaves the
 * stage.
 */
function openLine(line: Buffer, paths: Paths, { partition, origin, limits }: Batch): Batch {
  const bytes = Buffer.allocUnsafe(line.length + 1)
  line.copy(bytes)
  bytes[line.length] = LINE_FEED
  const index = scanWhole(bytes, paths, { maxDepth: limits.maxDepth, maxLine: Infinity })
  const batch = new Batch({
    partition,
    number: 0,
    continues: false,
    position: undefined,
    origin,
    end: undefined,
    tallies: { read: 1, added: 0, dropped: new Map() },
    rejects: [],
    sourceBytes: 0,
    lowWatermark: undefined,
    paths,
    limits: { maxDepth: limits.maxDepth, maxLine: Infinity },
    bytes,
    index,
  })
  if (index.count !== 1 || batch.fault(0) !== LineFault.none)
    throw new SluiceError('INTERNAL', 'a changed record does not parse')
  return batch
}

function readHit(batch: Batch, hit: number): Json {
  const kind = batch.kind(hit)
  if (kind === ValueKind.string || kind === ValueKind.escaped) return batch.text(hit)
  const value: Json = JSON.parse(batch.raw(hit).toString())
  return freeze(value)
}

function patchHit(batch: Batch, hit: number, json: Buffer | undefined): Patch {
  const { key, start, end } = batch.span(hit)
  return { key, start, end, json }
}

/** Appends a member to the innermost object of the path that exists. Null counts as absent. */
function insertMember(batch: Batch, record: number, path: Path, json: string): Patch {
  const keys = path.keys ?? []
  let depth = keys.length - 1
  let above = path.parent
  let holder = -1
  for (; above !== undefined; above = above.parent, depth--) {
    holder = batch.hit(record, above)
    if (holder >= 0) break
  }
  if (holder >= 0 && batch.kind(holder) === ValueKind.null) {
    return patchHit(batch, holder, Buffer.from(nest(keys.slice(depth), json)))
  }
  if (holder >= 0 && batch.kind(holder) !== ValueKind.object) {
    throw new SluiceError('VALUE_INVALID', `cannot set ${path.text}: ${above?.text} is not an object`)
  }
  const { records } = batch.index
  const end = holder >= 0 ? batch.span(holder).end : records[RECORD_STRIDE * record + 1]
  const position = skipSpaceBack(batch.bytes, end - 2) + 1
  const member = nest(keys.slice(depth), json).slice(1, -1)
  return { key: position, start: position, end: position, json: Buffer.from(member) }
}

function nest(keys: readonly string[], json: string): string {
  return keys.reduceRight((inner, key) => `{${JSON.stringify(key)}:${inner}}`, json)
}

function compiled(condition: Condition, paths: Paths): Compiled {
  const known = conditions.get(paths) ?? new Map<string, Compiled>()
  conditions.set(paths, known)
  const name = JSON.stringify(condition)
  const found = known.get(name) ?? compileCondition(condition, paths)
  if (known.size >= MAX_CONDITIONS) known.clear()
  known.set(name, found)
  return found
}

/**
 * Freezes deeply, without recursion. It runs for every record of custom code: `for in` takes a
 * third of the time of Object.values.
 */
function freeze<T extends Json>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const found: (readonly Json[] | JsonObject)[] = [value]
  for (let at = 0; at < found.length; at++) {
    const next = found[at]
    if (isList(next)) {
      for (const inner of next) if (typeof inner === 'object' && inner !== null) found.push(inner)
    } else {
      for (const key in next) {
        const inner = next[key]
        if (typeof inner === 'object' && inner !== null) found.push(inner)
      }
    }
    Object.freeze(next)
  }
  return value
}

/** `Array.isArray` does not narrow to readonly arrays. */
function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value)
}
