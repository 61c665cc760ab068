import type { Json, JsonObject } from '../json/json.ts'
import type { Path } from '../paths/path.ts'

/** The result of `record.reject`. A transform returns it. */
export class Rejection {
  readonly code: string
  readonly detail: string | undefined

  constructor(code: string, detail?: string) {
    this.code = code
    this.detail = detail
  }
}

/**
 * A record as custom code sees it. Paths are text, or made by `context.path`. It is valid until the
 * function that received it has returned or its promise has settled. Everything that the function
 * does not change keeps its bytes.
 */
export interface Record {
  /**
   * The value at a path as a JavaScript value (objects and arrays deeply frozen); undefined if it
   * is absent. Large numbers may be rounded, see `text`. A path with wildcards returns the list of
   * all its values, which may be empty.
   */
  get(path: string | Path): Json | undefined
  /**
   * The value as text: a string decoded, a number as spelled, any other value as JSON; undefined if
   * it is absent.
   */
  text(path: string | Path): string | undefined
  /** True if the path matches a value. */
  has(path: string | Path): boolean
  /**
   * Sets a value. Creates missing objects on the way; null counts as missing. Of duplicate keys one
   * remains. Returns the record.
   * @throws SluiceError PATH_INVALID for wildcards, `__proto__`, `prototype` and `constructor`;
   * VALUE_INVALID for a value that JSON cannot represent, and if the path leads through a value
   * that is not an object.
   */
  set(path: string | Path, value: Json): Record
  /** Removes every value that the path matches, including duplicate keys. Returns the record. */
  delete(path: string | Path): Record
  /** True if the record fulfils a condition, written as in `filter`. */
  matches(condition: Condition): boolean
  /**
   * Rejects the record: `return record.reject('NO_OWNER', 'owner is empty')`. The detail is stored
   * with the reject as is, so it must not contain content of the record.
   */
  reject(code: string, detail?: string): Rejection
  /**
   * The whole record, deeply frozen. Return a changed copy, such as
   * `{ ...record.value, seen: true }`; unchanged members keep their bytes.
   */
  readonly value: JsonObject
}

/**
 * A test of the value at one path: a value, a `/pattern/flags`, a list of alternatives, or a rule.
 */
export type Test =
  string | number | boolean | null | readonly Test[] | { readonly exists?: boolean; readonly not?: Test }

/**
 * Tests by path. All must hold:
 * `{ service: ['sso', 'radius'], success: false, 'initiated_by.email': '/@example\.com$/i' }`.
 */
export interface Condition {
  readonly [path: string]: Test
}

/**
 * The result of a transform function: the record, a changed copy, several of these, null to drop
 * the record, or a rejection.
 */
export type Outcome = Record | JsonObject | readonly (Record | JsonObject)[] | null | Rejection
