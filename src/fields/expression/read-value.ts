import type { Batch } from '../../record/batch.ts'
import { readString } from '../../record/json/json-text.ts'
import { ValueKind } from '../../record/scan.ts'
import { MAX_INT, MIN_INT, OddNumber, spellings } from './values.ts'
import type { Value } from './values.ts'

/** The value of a hit. Objects and arrays are read as a whole. */
export function readValue(batch: Batch, hit: number): Value {
  switch (batch.kind(hit)) {
    case ValueKind.string:
    case ValueKind.escaped:
      return batch.text(hit)
    case ValueKind.number:
    case ValueKind.unusual:
      return readNumber(batch.text(hit))
    case ValueKind.true:
      return true
    case ValueKind.false:
      return false
    case ValueKind.null:
      return null
    default:
      return new Reader(batch.raw(hit).toString()).read()
  }
}

/**
 * A number of JSON: an int if it is written without a fraction and an exponent and has 64 bits at most,
 * otherwise a double.
 */
function readNumber(json: string): Value {
  if (/[.eE]/.test(json)) {
    const double = Number(json)
    return Number.isFinite(double) ? double : new OddNumber(json)
  }
  if (json.length < MIN_INT.toString().length) return BigInt(json)
  const int = json.length > MIN_INT.toString().length ? undefined : BigInt(json)
  return int !== undefined && int >= MIN_INT && int <= MAX_INT ? int : new OddNumber(json)
}

/** Reads objects and arrays of JSON text that the scanner has accepted: its depth is limited. */
class Reader {
  readonly #json: string
  #at = 0

  constructor(json: string) {
    this.#json = json
  }

  read(): Value {
    const json = this.#json
    this.#skipBlanks()
    const start = this.#at
    switch (json[start]) {
      case '{':
        return this.#readObject(start)
      case '[':
        return this.#readArray(start)
      case '"':
        return this.#readText()
      case 't':
        this.#at += 4
        return true
      case 'f':
        this.#at += 5
        return false
      case 'n':
        this.#at += 4
        return null
      default: {
        let end = start + 1
        while (end < json.length && !',]} \t\r\n'.includes(json[end])) end++
        this.#at = end
        return readNumber(json.slice(start, end))
      }
    }
  }

  /** Of duplicate keys the last one remains, at the place of the first, as for JSON.parse. */
  #readObject(start: number): Value {
    const members = new Map<Value, Value>()
    this.#at++
    while (this.#next() !== '}') {
      if (this.#json[this.#at] === ',') {
        this.#at++
        this.#skipBlanks()
      }
      const key = this.#readText()
      this.#skipBlanks()
      this.#at++
      members.set(key, this.read())
    }
    return this.#keep(members, start)
  }

  #readArray(start: number): Value {
    const items: Value[] = []
    this.#at++
    while (this.#next() !== ']') {
      if (this.#json[this.#at] === ',') this.#at++
      items.push(this.read())
    }
    return this.#keep(items, start)
  }

  #keep<Container extends readonly Value[] | ReadonlyMap<Value, Value>>(
    container: Container,
    start: number,
  ): Container {
    this.#at++
    spellings.set(container, this.#json.slice(start, this.#at))
    return container
  }

  #readText(): string {
    const json = this.#json
    const start = this.#at
    let end = start + 1
    let isEscaped = false
    for (; json[end] !== '"'; end++) {
      if (json[end] !== '\\') continue
      isEscaped = true
      end++
    }
    this.#at = end + 1
    return isEscaped ? readString(json.slice(start, end + 1)) : json.slice(start + 1, end)
  }

  #next(): string {
    this.#skipBlanks()
    return this.#json[this.#at]
  }

  #skipBlanks(): void {
    while (' \t\r\n'.includes(this.#json[this.#at])) this.#at++
  }
}
