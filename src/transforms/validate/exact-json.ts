import type { Json, JsonObject } from '../../record/json/json.ts'
import { sameNumber } from '../../record/json/number.ts'
import { readString } from '../../record/json/json-text.ts'
import { SPACE } from '../../record/json/ascii.ts'
import { isWhole } from './decimal.ts'

/**
 * A parsed JSON text that still knows how its numbers are spelled. JSON.parse makes 1e400 infinite
 * and takes the fraction off 9007199254740993.5, but a schema speaks of the numbers in the text.
 */
export interface ExactJson {
  /**
   * As JSON.parse returns it, but for the numbers in `spellings`. Such a number is 1 or 0.5: finite
   * in any case, and an integer if the number in the text is one.
   */
  readonly value: Json
  readonly spellings: Spellings
}

/** The spellings of the numbers whose value JavaScript cannot represent, by their place. */
export class Spellings {
  readonly #byParent = new Map<unknown, Map<string | number, string>>()

  /** The spelling of the number in this member or element; undefined if its value is exact. */
  of(parent: unknown, key: string | number): string | undefined {
    // Most records have none.
    return this.#byParent.size === 0 ? undefined : this.#byParent.get(parent)?.get(key)
  }

  add(parent: object, key: string | number, spelling: string): void {
    const known = this.#byParent.get(parent)
    if (known === undefined) this.#byParent.set(parent, new Map([[key, spelling]]))
    else known.set(key, spelling)
  }

  /** A member that is replaced by a duplicate key. */
  remove(parent: object, key: string | number): void {
    this.#byParent.get(parent)?.delete(key)
  }
}

/** @throws SyntaxError for a text that is not JSON. */
export function parseExact(text: string): ExactJson {
  const value: Json = JSON.parse(text)
  if (text.startsWith('{') && !HAS_LONG_NUMBER.test(text)) return { value, spellings: NO_SPELLINGS }
  const spellings = new Spellings()
  for (const [, number] of text.matchAll(LONG_NUMBER)) {
    if (!isExact(number)) return { value: new Reader(text, spellings).read(), spellings }
  }
  return { value, spellings }
}

const NO_SPELLINGS = new Spellings()

/** Runs for each record: several times as fast as to look for the number itself. */
const HAS_LONG_NUMBER = /[:,[]\s*-?\d(?:[\d.]{15}|[\d.]*[eE])/

/**
 * A number that may not be exact has at least 16 digits or an exponent. Matches in strings do no
 * harm.
 */
const LONG_NUMBER = /(?:^|[:,[])\s*(-?(?:[\d.]{16}[\d.]*|[\d.]+(?=[eE]))(?:[eE][+-]?\d+)?)/g

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** Reads a text that is known to be JSON. */
class Reader {
  readonly #text: string
  readonly #spellings: Spellings
  #at = 0

  constructor(text: string, spellings: Spellings) {
    this.#text = text
    this.#spellings = spellings
  }

  read(): Json {
    return this.#value({}, '')
  }

  #value(parent: object, key: string | number): Json {
    const first = this.#next()
    if (first === '{') return this.#object()
    if (first === '[') return this.#array()
    if (first === '"') return this.#string()
    if (first === 't' || first === 'n') this.#at += 4
    else if (first === 'f') this.#at += 5
    else return this.#number(parent, key)
    return first === 'n' ? null : first === 't'
  }

  #object(): JsonObject {
    const object: JsonObject = {}
    this.#at++
    while (this.#next() !== '}') {
      const key = this.#string()
      this.#next()
      this.#at++
      this.#spellings.remove(object, key)
      const value = this.#value(object, key)
      // An assignment would set the prototype for the key __proto__.
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
      if (this.#next() === ',') this.#at++
    }
    this.#at++
    return object
  }

  #array(): Json[] {
    const array: Json[] = []
    this.#at++
    while (this.#next() !== ']') {
      array.push(this.#value(array, array.length))
      if (this.#next() === ',') this.#at++
    }
    this.#at++
    return array
  }

  #string(): string {
    const start = this.#at
    let end = this.#text.indexOf('"', start + 1)
    while (this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1)
    this.#at = end + 1
    const json = this.#text.slice(start, this.#at)
    return json.includes('\\') ? readString(json) : json.slice(1, -1)
  }

  /** A quote after an odd number of backslashes. */
  #isEscaped(quote: number): boolean {
    let at = quote
    while (this.#text[at - 1] === '\\') at--
    return (quote - at) % 2 === 1
  }

  #number(parent: object, key: string | number): number {
    NUMBER.lastIndex = this.#at
    const [text] = NUMBER.exec(this.#text) ?? ['']
    this.#at += text.length
    if (isExact(text)) return Number(text)
    this.#spellings.add(parent, key, text)
    return isWhole(text) ? 1 : 0.5
  }

  /** The first character that is not whitespace. */
  #next(): string {
    while (this.#text.charCodeAt(this.#at) <= SPACE) this.#at++
    return this.#text[this.#at]
  }
}

/** Whether JavaScript has this number, not only one near it. */
function isExact(text: string): boolean {
  const value = Number(text)
  return Number.isFinite(value) && sameNumber(String(value), text)
}
