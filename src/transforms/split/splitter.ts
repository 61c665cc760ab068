import type { RejectCode } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import { OPEN_OBJECT } from '../../record/json/ascii.ts'
import { depthOf, MEMBER_STRIDE, readMembers, readNames } from '../../record/json/walk.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { membersText } from '../../record/put-members.ts'
import type { Put } from '../../record/put-members.ts'
import { appendMembers } from '../../record/reuse-lines.ts'
import { ValueKind } from '../../record/scan.ts'
import { copiesOf } from './findings.ts'
import type { SplitConfig } from './findings.ts'

/**
 * The new records of one record are together at most so many times as long as the record. Without a
 * limit, copies into many elements would grow with the square of its length.
 */
const MAX_GROWTH = 64

/** They also have at most so many bytes, or twice those of the record. */
const MAX_BYTES = 64 << 20

/** Braces, commas and a line feed of a new record. */
const LINE_BYTES = 8

/** Stand for the element and its number in JSON text. JSON contains no such characters. */
const ELEMENT = '\u0001'
const NUMBER = '\u0002'

interface Refusal {
  readonly code: RejectCode
  readonly detail: string
}

/** The new lines of a record; why there are none; or that it has no elements. */
export type SplitResult = readonly Buffer[] | Refusal | 'empty'

/** Splits records. The elements keep their bytes, and so do the copied members. */
export class Splitter {
  readonly #text: string
  readonly #array: Path
  readonly #copies: readonly { readonly from: Path; readonly to: Path }[]
  readonly #as: Path | undefined
  readonly #index: Path | undefined
  /** The keys that an element must not have. */
  readonly #keys: ReadonlySet<string>
  #elements = 0

  constructor({ path, copy, as, index }: SplitConfig, paths: Paths) {
    this.#text = path
    this.#array = paths.add(path)
    this.#copies = copiesOf(copy).map(({ from, to }) => ({ from: paths.add(from), to: paths.add(to) }))
    this.#as = as === undefined ? undefined : paths.add(as)
    this.#index = index === undefined ? undefined : paths.add(index)
    const targets = [...this.#copies.map(({ to }) => to), this.#index]
    this.#keys = new Set(targets.flatMap((target) => target?.keys?.[0] ?? []))
  }

  /** How many elements it has seen. */
  get elements(): number {
    return this.#elements
  }

  /** Comes first for each batch: a query for a new path makes the batch scan again. */
  prepare(batch: Batch): void {
    for (const path of [this.#array, ...this.#copies.map(({ from }) => from)]) if (batch.count > 0) batch.hit(0, path)
  }

  split(batch: Batch, record: number): SplitResult {
    const hit = batch.hit(record, this.#array)
    const kind = hit < 0 ? ValueKind.null : batch.kind(hit)
    if (kind === ValueKind.null) return 'empty'
    if (kind !== ValueKind.array) return { code: 'NOT_AN_ARRAY', detail: `${this.#text} is not an array` }
    const array = batch.raw(hit)
    const offsets = readMembers(array, 0)
    const count = offsets.length / MEMBER_STRIDE
    if (count === 0) return 'empty'
    this.#elements += count

    const puts = this.#putsOf(batch, record)
    const members = membersText(puts)
    const refusal =
      this.#refuseDepth(batch, record, array) ??
      this.#refuseSize(batch, record, array.length + count * (Buffer.byteLength(members) + LINE_BYTES))
    if (refusal !== undefined) return refusal
    const writeLine = this.#as === undefined ? this.#extend(members) : wrap(members)
    const lines: Buffer[] = []
    for (let at = 0; at < count; at++) {
      const element = array.subarray(offsets[MEMBER_STRIDE * at + 1], offsets[MEMBER_STRIDE * at + 2])
      const line = writeLine(element, at)
      if ('code' in line) return { code: line.code, detail: `element ${at} of ${this.#text} ${line.detail}` }
      if (line.length > batch.limits.maxLine) {
        return { code: 'TOO_LONG', detail: `element ${at} of ${this.#text} would be longer than limits.maxLine` }
      }
      lines.push(line)
    }
    return lines
  }

  /** What a new record has beside the members of its element. */
  #putsOf(batch: Batch, record: number): Put[] {
    const puts: Put[] = this.#as === undefined ? [] : [{ path: this.#as, json: Buffer.from(ELEMENT) }]
    for (const { from, to } of this.#copies) {
      const hit = batch.hit(record, from)
      if (hit >= 0) puts.push({ path: to, json: batch.raw(hit) })
    }
    if (this.#index !== undefined) puts.push({ path: this.#index, json: Buffer.from(NUMBER) })
    return puts
  }

  #refuseDepth(batch: Batch, record: number, array: Buffer): Refusal | undefined {
    const { maxDepth } = batch.limits
    const isDeep = (json: Buffer, from: number, to: number): boolean => to > from && to + depthOf(json) > maxDepth
    // The array itself goes.
    const isElementDeep = this.#as !== undefined && isDeep(array, levelOf(this.#array), levelOf(this.#as) - 1)
    const isCopyDeep = ({ from, to }: { readonly from: Path; readonly to: Path }): boolean => {
      const hit = levelOf(to) > levelOf(from) ? batch.hit(record, from) : -1
      return hit >= 0 && isDeep(batch.raw(hit), levelOf(from), levelOf(to))
    }
    if (!isElementDeep && !this.#copies.some(isCopyDeep)) return undefined
    return { code: 'TOO_DEEP', detail: 'the new records would be nested deeper than limits.maxDepth' }
  }

  #refuseSize(batch: Batch, record: number, bytes: number): Refusal | undefined {
    const length = batch.longest(record)
    if (bytes <= Math.min(MAX_GROWTH * length, Math.max(MAX_BYTES, 2 * length))) return undefined
    const limit = `${MAX_GROWTH} times as long as the record, or longer than ${MAX_BYTES >> 20} MiB`
    return { code: 'TOO_LONG', detail: `the new records would together be more than ${limit}: copy less` }
  }

  /** Lines that are elements with more members. */
  #extend(members: string): (element: Buffer, at: number) => Buffer | Refusal {
    return (element, at) => {
      if (element[0] !== OPEN_OBJECT) return { code: 'NOT_AN_OBJECT', detail: 'is not an object' }
      if (members === '') return element
      const taken = this.#keys.size === 0 ? undefined : readNames(element).find((key) => this.#keys.has(key))
      if (taken !== undefined) return { code: 'KEY_EXISTS', detail: `has ${taken}` }
      return appendMembers(element, members.replace(NUMBER, String(at)))
    }
  }
}

/** Lines that hold an element in a member. */
function wrap(members: string): (element: Buffer, at: number) => Buffer {
  const [before, after] = `{${members}}`.split(ELEMENT)
  return (element, at) => {
    const number = String(at)
    return Buffer.concat([
      Buffer.from(before.replace(NUMBER, number)),
      element,
      Buffer.from(after.replace(NUMBER, number)),
    ])
  }
}

/** In how many objects a value is. */
function levelOf({ keys = [] }: Path): number {
  return keys.length
}
