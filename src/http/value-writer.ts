import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { Token } from 'stream-json/core/parser.js'
import { badAnswer } from './answer-error.ts'

/**
 * Writes the tokens of one JSON value back as text: numbers as they were spelled, strings by content, no spaces. Of a text beyond the limit
 * only length and digest are kept.
 */
export class ValueWriter {
  readonly #limit: number
  #text = ''
  #bytes = 0
  #hash: Hash | undefined
  /** One entry per open object or array: whether the next member is its first. */
  readonly #open: boolean[] = []
  #afterKey = false

  constructor(limit: number) {
    this.#limit = limit
  }

  /** True when this token completes the value. */
  write(token: Token): boolean {
    switch (token.name) {
      case 'startObject':
      case 'startArray':
        this.#begin(token.name === 'startObject' ? '{' : '[')
        this.#open.push(true)
        if (this.#open.length > MAX_DEPTH) throw badAnswer(`the response is nested deeper than ${MAX_DEPTH}`)
        return false
      case 'endObject':
      case 'endArray':
        this.#add(token.name === 'endObject' ? '}' : ']')
        this.#open.pop()
        return this.#open.length === 0
      case 'startKey':
      case 'startString':
        this.#begin('"')
        return false
      case 'stringChunk':
        this.#add(JSON.stringify(token.value).slice(1, -1))
        return false
      case 'endKey':
        this.#add('":')
        this.#afterKey = true
        return false
      case 'endString':
        this.#add('"')
        return this.#open.length === 0
      case 'startNumber':
        this.#begin('')
        return false
      case 'numberChunk':
        this.#add(token.value)
        return false
      case 'endNumber':
        return this.#open.length === 0
      case 'trueValue':
      case 'falseValue':
      case 'nullValue':
        this.#begin(String(token.value))
        return this.#open.length === 0
      default:
        throw new Error(`a token ${token.name} was not asked for`)
    }
  }

  /** The text; undefined beyond the limit. */
  get text(): string | undefined {
    return this.#hash === undefined ? this.#text : undefined
  }

  /** Length in bytes and SHA-256 in hex of a text beyond the limit. */
  summary(): { length: number; digest: string } {
    return { length: this.#bytes, digest: this.#hash?.digest('hex') ?? '' }
  }

  #begin(text: string): void {
    const first = this.#open.length === 0 || this.#afterKey || this.#open.at(-1) === true
    this.#add(first ? text : `,${text}`)
    this.#afterKey = false
    if (this.#open.length > 0) this.#open[this.#open.length - 1] = false
  }

  #add(text: string): void {
    this.#bytes += Buffer.byteLength(text)
    if (this.#hash !== undefined) {
      this.#hash.update(text)
      return
    }
    this.#text += text
    if (this.#bytes <= this.#limit) return
    this.#hash = createHash('sha256').update(this.#text)
    this.#text = ''
  }
}

/** Bounds what is remembered of a value; records this deep are refused anyway. */
const MAX_DEPTH = 1_000_000
