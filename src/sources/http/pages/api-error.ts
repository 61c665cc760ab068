import { isList, isObject } from '../../../record/json/json.ts'
import type { Json, JsonObject } from '../../../record/json/json.ts'
import { errorTextIn } from '../transport/error-text.ts'
import { parseJson } from '../transport/json-values.ts'

/**
 * The start of a response. Some APIs report errors with status 200: `{"ok":false,"error":"..."}`.
 * Longer responses are not errors.
 */
export class ResponseStart {
  #parts: Buffer[] = []
  #size = 0

  add(chunk: Buffer): void {
    this.#size += chunk.length
    if (this.isFull) this.#parts = []
    else this.#parts.push(chunk)
  }

  get isFull(): boolean {
    return this.#size > MAX_ERROR
  }

  /**
   * What the API says if the response is an error; undefined if it is not. Call it for a complete
   * response without records. `records` are the keys to their list.
   */
  errorIn(records: readonly string[], secrets: readonly string[]): string | undefined {
    if (this.#size === 0 || this.isFull) return undefined
    const text = Buffer.concat(this.#parts).toString()
    const value = parseJson(text)
    if (!isObject(value) || !isError(value, records)) return undefined
    return errorTextIn(text, undefined, secrets)
  }
}

const MAX_ERROR = 64 * 1024

/**
 * With an empty list of records only an explicit sign counts: the `error` of an empty page may say
 * that there is none.
 */
function isError(value: JsonObject, records: readonly string[]): boolean {
  const { ok, success, stat, status, error, errors } = value
  if (ok === false || success === false || isWord(stat, 'fail') || (isList(errors) && errors.length > 0)) return true
  if (ok === true || success === true || isList(valueAt(value, records))) return false
  const isText = typeof error === 'string' && error !== ''
  return isText || (isObject(error ?? null) && error !== null) || isWord(status, 'error') || isWord(status, 'fail')
}

function isWord(value: Json | undefined, word: string): boolean {
  return typeof value === 'string' && value.toLowerCase() === word
}

function valueAt(value: Json, keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((inner, key) => (isObject(inner) ? inner[key] : undefined), value)
}
