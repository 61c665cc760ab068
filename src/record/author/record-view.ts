import { SluiceError } from '../../errors.ts'
import { LINE_FEED, OPEN_OBJECT } from '../json/ascii.ts'
import { Batch } from '../batch.ts'
import { writeAdded, writeChanges } from './changes.ts'
import { compileCondition } from './condition.ts'
import { spliceBytes } from '../edits.ts'
import { skipSpaceBack } from '../json/walk.ts'
import type { Splice } from '../edits.ts'
import type { Json, JsonObject } from '../json/json.ts'
import { jsonText } from '../json/json-text.ts'
import { Paths } from '../paths/path.ts'
import type { Path } from '../paths/path.ts'
import { Rejection } from './record.ts'
import type { Condition, Record } from './record.ts'
import { Fault, Kind, RECORD_STRIDE, scanWhole } from '../scan.ts'
import { appendMembers } from '../reuse-lines.ts'
import type { LineChange } from '../reuse-lines.ts'

/** The author's view of a live record of a batch. What it changes is its own: the batch stays as it is, see `recordLine`. */
export function recordView(batch: Batch, record: number): Record {
  return new RecordView(batch, record)
}

/** Tells a record that a function returns from an object of its own making. */
export function isRecord(value: unknown): value is Record {
  return value instanceof RecordView
}

/** What the record, changed or not, makes of the line of that one of the batch. */
export function recordChange(record: Record, batch: Batch, number: number): LineChange {
  return viewOf(record).changeOf(batch, number)
}

/** The same for an object that a function has returned for the record, see `changedLine`. @throws SluiceError VALUE_INVALID */
export function objectChange(record: Record, returned: JsonObject, batch: Batch, number: number): LineChange {
  const view = viewOf(record)
  const added = writeAdded(view.value, returned, view.maxDepth)
  return added === undefined
    ? { bytes: writeChanges(view.line(), view.value, returned, view.maxDepth) }
    : view.changeOf(batch, number, added)
}

/** Nothing has changed. */
export const UNCHANGED: LineChange = {}

/** The record's bytes with all changes, without a line feed. */
export function recordLine(record: Record): Buffer {
  return viewOf(record).line()
}

/**
 * The line for an object that a function has returned for a record: members that are the same as in `record.value` keep their bytes and
 * their place, others are written anew, missing ones are removed, new ones come last.
 * @throws SluiceError VALUE_INVALID when the object holds what JSON cannot hold, or nests deeper than the limit.
 */
export function changedLine(record: Record, returned: JsonObject): Buffer {
  const view = viewOf(record)
  return writeChanges(view.line(), view.value, returned, view.maxDepth)
}

/** Beyond this many, paths that custom code makes up at run time do not join the pipeline's: each question scans its record anew. */
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
  /** Where the record is: in its batch, or since a question behind a change in one of its own. */
  #batch: Batch
  #record: number
  /** Its bytes since a change that no question has followed yet. */
  #line: Buffer | undefined
  /** JSON text of members that were set and come behind the last one, and their keys. */
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

  get(text: string): Json | undefined {
    const { batch, record, path } = this.#find(text)
    if (path.keys === undefined) return Object.freeze(batch.hits(record, path).map((hit) => readHit(batch, hit)))
    const hit = batch.hit(record, path)
    return hit < 0 ? undefined : readHit(batch, hit)
  }

  text(text: string): string | undefined {
    const { batch, record, path } = this.#find(text)
    if (path.keys === undefined)
      return `[${batch
        .hits(record, path)
        .map((hit) => batch.raw(hit).toString())
        .join(',')}]`
    const hit = batch.hit(record, path)
    return hit < 0 ? undefined : batch.text(hit)
  }

  has(text: string): boolean {
    const { batch, record, path } = this.#find(text)
    return batch.hit(record, path) >= 0
  }

  set(text: string, value: Json): this {
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

  delete(text: string): this {
    const { batch, record, path } = this.#findUnedited(text)
    const splices = batch.hits(record, path).map((hit) => spliceHit(batch, hit, undefined))
    if (splices.length > 0) this.#splice(batch, record, splices)
    return this
  }

  matches(condition: Condition): boolean {
    const { paths } = this.#batch
    if (paths.size < MAX_PATHS) {
      this.#settle()
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
      this.#settle(path)
      return { batch: this.#batch, record: this.#record, path }
    }
    const batch = this.#alone()
    return { batch, record: 0, path: batch.paths.add(text) }
  }

  /** The same, where the hits of the record are its bytes. */
  #findUnedited(text: string) {
    if (this.#added !== '' || (this.#line === undefined && this.#batch.isEdited(this.#record)))
      this.#become(this.line())
    return this.#find(text)
  }

  /** The record in a batch with paths of its own. */
  #alone(): Batch {
    return openLine(this.line(), new Paths(), this.#batch)
  }

  /** Makes changed bytes a batch again; without need where a path leads to none of the members that were set. */
  #settle(path?: Path): void {
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
    const splices = batch
      .hits(record, path)
      .map((hit) => spliceHit(batch, hit, hit === target ? Buffer.from(json) : undefined))
    if (target < 0) splices.push(insertMember(batch, record, path, json))
    this.#splice(batch, record, splices)
  }

  #splice(batch: Batch, record: number, splices: Splice[]): void {
    const { records } = batch.index
    const from = records[RECORD_STRIDE * record]
    const to = records[RECORD_STRIDE * record + 1]
    const ordered = splices.toSorted((a, b) => a.start - b.start)
    this.#become(spliceBytes(batch.bytes, from, to, ordered))
  }

  #become(line: Buffer): void {
    this.#line = line
    this.#added = ''
    this.#addedKeys = []
    this.#value = undefined
  }
}

/** The path to the member of the record that a plain path is in. */
function topOf(path: Path): Path {
  let top = path
  while (top.parent !== undefined) top = top.parent
  return top
}

/** A batch of one record, for reading only. The line's length is judged when it leaves the stage. */
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
  if (index.count !== 1 || batch.fault(0) !== Fault.none)
    throw new SluiceError('INTERNAL', 'a changed record is not a record')
  return batch
}

function readHit(batch: Batch, hit: number): Json {
  const kind = batch.kind(hit)
  if (kind === Kind.string || kind === Kind.escaped) return batch.text(hit)
  const value: Json = JSON.parse(batch.raw(hit).toString())
  return freeze(value)
}

function spliceHit(batch: Batch, hit: number, json: Buffer | undefined): Splice {
  const { key, start, end } = batch.span(hit)
  return { key, start, end, json }
}

/** Puts a member behind the last one of the innermost object of the path that is there. Null counts as absent. */
function insertMember(batch: Batch, record: number, path: Path, json: string): Splice {
  const keys = path.keys ?? []
  let depth = keys.length - 1
  let above = path.parent
  let holder = -1
  for (; above !== undefined; above = above.parent, depth--) {
    holder = batch.hit(record, above)
    if (holder >= 0) break
  }
  if (holder >= 0 && batch.kind(holder) === Kind.null) {
    return spliceHit(batch, holder, Buffer.from(nest(keys.slice(depth), json)))
  }
  if (holder >= 0 && batch.kind(holder) !== Kind.object) {
    throw new SluiceError('VALUE_INVALID', `cannot set ${path.text}: ${above?.text} is not an object`)
  }
  const { records } = batch.index
  const end = holder >= 0 ? batch.span(holder).end : records[RECORD_STRIDE * record + 1]
  const behind = skipSpaceBack(batch.bytes, end - 2) + 1
  const member = nest(keys.slice(depth), json).slice(1, -1)
  const comma = batch.bytes[behind - 1] === OPEN_OBJECT ? '' : ','
  return { key: behind, start: behind, end: behind, json: Buffer.from(comma + member) }
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

/** Deeply, without recursion. Every record of custom code comes by: `for in` takes a third of the time of Object.values. */
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

/** What `Array.isArray` is not declared to tell of lists that are readonly. */
function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value)
}
