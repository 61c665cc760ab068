import { MINUTE } from '../../time.ts'
import { compareKeys } from './list-objects.ts'
import type { ListedObject } from './list-objects.ts'
import type { ObjectPosition, S3Position } from './position.ts'
import { SeenKeys } from './seen-keys.ts'

/** Keys that a position can hold: 320 KB. */
const MAX_SEEN = 20_000

/** The clock of this machine and that of the store may differ by so much. */
const CLOCK_MARGIN = 5 * MINUTE

/** What was read of a path so far, from which positions are made. */
export class Progress {
  #after: string | undefined
  #listedAt: number | undefined
  #lateFrom: number
  #pass: { readonly started: number; at: string | undefined } | undefined
  #seen: SeenKeys
  readonly #failed: Map<string, ObjectPosition>
  /** Read in part by an earlier run. */
  #unfinished: ObjectPosition | undefined
  readonly #lookBack: number

  constructor(saved: S3Position | undefined, lookBack: number) {
    const { after, listedAt, lateFrom, pass, object: unfinished, seen, failed = [] } = saved ?? {}
    this.#after = after
    this.#listedAt = listedAt
    this.#lateFrom = lateFrom ?? Infinity
    this.#pass = pass && { started: pass.started, at: pass.at }
    this.#seen = new SeenKeys(seen)
    this.#failed = new Map(failed.map((object) => [object.key, object]))
    this.#unfinished = unfinished
    this.#lookBack = lookBack
  }

  get after(): string | undefined {
    return this.#after
  }

  get lateFrom(): number {
    return this.#lateFrom
  }

  /** Objects that were read in part or failed. Their turn in the list may still come. */
  get incomplete(): readonly ObjectPosition[] {
    return [...this.#failed.values(), ...(this.#unfinished === undefined ? [] : [this.#unfinished])]
  }

  get failures(): number {
    return this.#failed.size
  }

  /** Where the list of all keys is that is under way. */
  get at(): string | undefined {
    return this.#pass?.at
  }

  /**
   * Begins a list of all keys if one is due: the first one, and then look-backs. One that an earlier
   * run has begun is resumed, unless a look-back is due meanwhile: keys before its place may be late.
   */
  beginPass(now: number, every: number): 'all' | 'after' {
    const last = this.#pass?.started ?? this.#listedAt
    const isDue = last === undefined || (this.#lookBack > 0 && now - last >= every)
    if (isDue) this.#pass = { started: now, at: undefined }
    if (this.#pass === undefined) return 'after'
    if (this.#lateFrom === Infinity) this.#lateFrom = now - this.#lookBack - CLOCK_MARGIN
    return 'all'
  }

  /** Ends a list of all keys. @returns false if there was none. */
  endPass(): boolean {
    if (this.#pass === undefined) return false
    const { started } = this.#pass
    this.#listedAt = started
    this.#lateFrom = Math.max(this.#lateFrom, started - this.#lookBack - CLOCK_MARGIN)
    this.#seen.forget(this.#lateFrom)
    this.#pass = undefined
    return true
  }

  /** True if a key up to `after` was not there when its turn was. */
  isLate({ key, etag, modified }: ListedObject): boolean {
    return modified >= this.#lateFrom && this.isNew({ key, etag })
  }

  /** False for what was read outside of the order of keys, or is incomplete. */
  isNew({ key, etag }: Pick<ListedObject, 'key' | 'etag'>): boolean {
    return !this.#failed.has(key) && key !== this.#unfinished?.key && !this.#seen.has(key, etag)
  }

  /** Marks an object of a list as read, or as failed. */
  passed({ key, etag, modified }: ListedObject): { readonly forgotten: boolean } {
    if (this.#pass !== undefined && isAfter(key, this.#pass.at)) this.#pass.at = key
    if (isAfter(key, this.#after)) this.#after = key
    if (this.#lookBack === 0 || modified < this.#lateFrom) return { forgotten: false }
    this.#seen.add(key, etag, modified)
    if (this.#seen.size <= MAX_SEEN) return { forgotten: false }
    this.#lateFrom = Math.max(this.#lateFrom, this.#seen.halve())
    return { forgotten: true }
  }

  /** Marks an incomplete object as read. */
  completed({ key, etag }: Pick<ListedObject, 'key' | 'etag'>, now: number): void {
    this.forget(key)
    this.#seen.add(key, etag, now)
  }

  /** Sets how far an incomplete object is read. */
  advance(object: ObjectPosition): void {
    if (object.key === this.#unfinished?.key) this.#unfinished = object
    else this.#failed.set(object.key, object)
  }

  /** The next run tries the object again, from this position. */
  failedAt(object: ObjectPosition): void {
    this.forget(object.key)
    this.#failed.set(object.key, object)
  }

  forget(key: string): void {
    this.#failed.delete(key)
    if (key === this.#unfinished?.key) this.#unfinished = undefined
  }

  /** @param object The one that is read now, unless it is an incomplete one. */
  position(object = this.#unfinished): S3Position {
    const failed = [...this.#failed.values()]
    const seen = String(this.#seen)
    return {
      ...(this.#after !== undefined && { after: this.#after }),
      ...(this.#listedAt !== undefined && { listedAt: this.#listedAt }),
      ...(this.#lateFrom < Infinity && { lateFrom: this.#lateFrom }),
      ...(this.#pass && {
        pass: { started: this.#pass.started, ...(this.#pass.at !== undefined && { at: this.#pass.at }) },
      }),
      ...(object && { object }),
      ...(seen !== '' && { seen }),
      ...(failed.length > 0 && { failed }),
    }
  }
}

function isAfter(key: string, other: string | undefined): boolean {
  return other === undefined || compareKeys(key, other) > 0
}
