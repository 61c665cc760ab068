import type { Json, JsonObject } from '../json/json.ts'

/** What `record.reject` returns; a transform returns it on. */
export class Rejection {
  readonly code: string
  readonly detail: string | undefined

  constructor(code: string, detail?: string) {
    this.code = code
    this.detail = detail
  }
}

/**
 * The author's view of one record, valid until the function it was given to has settled. Reads and changes touch only what
 * is asked for: everything else keeps its bytes.
 */
export interface Record {
  /**
   * The value at a path as JavaScript holds it (objects and arrays deeply frozen); undefined when absent. Numbers may be rounded: see `text`.
   * A path with wildcards gives the list of all its values, empty when there are none.
   */
  get(path: string): Json | undefined
  /** The value as text: a string decoded, a number as it is spelled, anything else as its JSON; undefined when absent. */
  text(path: string): string | undefined
  has(path: string): boolean
  /**
   * Sets a value; missing objects on the way are made, null counts as missing. Of duplicate keys one is left. Returns the record.
   * @throws SluiceError PATH_INVALID for wildcards, `__proto__`, `prototype` and `constructor`; VALUE_INVALID for what JSON cannot hold, and
   * where something else than an object is on the way.
   */
  set(path: string, value: Json): Record
  /** Removes all that the path leads to, every twin of a duplicate key included. Returns the record. */
  delete(path: string): Record
  /** True when the record fulfils a condition, written as in `filter`. */
  matches(condition: Condition): boolean
  /** Refuses the record: `return record.reject('NO_OWNER', 'owner is empty')`. The detail goes into the reject as it is: keep content out of it. */
  reject(code: string, detail?: string): Rejection
  /** The whole record, deeply frozen. Return a changed copy (`{ ...record.value, seen: true }`): members that are the same keep their bytes. */
  readonly value: JsonObject
}

/** What a test on one path may be: a value, a `/pattern/flags`, a list of alternatives, or a rule. */
export type Test =
  string | number | boolean | null | readonly Test[] | { readonly exists?: boolean; readonly not?: Test }

/** Tests by path, all of which must hold: `{ service: [sso, radius], success: false, 'initiated_by.email': /@example\.com$/i }`. */
export interface Condition {
  readonly [path: string]: Test
}

/** What a transform function may return: the record, a changed copy, several of them, null to drop, or a rejection. */
export type Outcome = Record | JsonObject | readonly (Record | JsonObject)[] | null | Rejection
