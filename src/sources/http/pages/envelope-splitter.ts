import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  LINE_FEED,
  LOWER_N,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from '../../../record/json/ascii.ts'
import { ArraySplitter } from '../../../record/lines/array-splitter.ts'
import type { LineChunk } from '../../../record/lines/splitter.ts'
import { minify } from '../../../record/json/minify.ts'
import { invalidResponse } from '../transport/response-error.ts'
import { asResponseErrors } from './page-splitter.ts'
import type { PageSplitter } from './page-splitter.ts'
import { parseJson } from '../transport/json-values.ts'

interface EnvelopeOptions {
  /** Dotted keys to the array of records. */
  readonly records: string
  /** Dotted keys of the other values to capture. */
  readonly capture: readonly string[]
  readonly maxLine: number
}

/**
 * Extracts the records from a response such as `{"data":{"events":[...]},"next":"..."}`. Walks over
 * the bytes around the array, and leaves the array itself to an `ArraySplitter`: records keep their
 * bytes.
 */
export class EnvelopeSplitter implements PageSplitter {
  readonly captured = new Map<string, string>()
  readonly #options: EnvelopeOptions
  readonly #splitter: ArraySplitter
  /** Deeper values are not captured. */
  readonly #depthOfPaths: number
  /** The objects and arrays around the next byte, with the latest key of each object. */
  readonly #open: { readonly close: number; key: string | undefined }[] = []
  #state: ParserState = 'value'
  /** The key or scalar that is being read, as latin1. */
  #token = ''
  #escaped = false
  #capture: { readonly path: string; readonly depth: number; readonly parts: Buffer[]; size: number } | undefined
  #found = false

  constructor(options: EnvelopeOptions) {
    this.#options = options
    this.#splitter = new ArraySplitter({ name: 'the response', maxLine: options.maxLine, single: true })
    const paths = [options.records, ...options.capture]
    this.#depthOfPaths = Math.max(...paths.map((path) => path.split('.').length))
  }

  get count(): number {
    return this.#splitter.count
  }

  *push(chunk: Buffer): Generator<LineChunk, void> {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#state !== 'records') {
        rest = this.#walk(rest)
        continue
      }
      yield* asResponseErrors(this.#splitter.push(rest))
      const after = this.#splitter.rest
      if (after === undefined) return
      this.#state = 'afterValue'
      rest = after
    }
  }

  flush(): Iterable<LineChunk> {
    return this.#splitter.flush()
  }

  *end(): Generator<LineChunk, void> {
    if (this.#state !== 'afterValue' || this.#open.length > 0)
      throw invalidResponse('the response was cut short: its JSON does not end')
    if (!this.#found) throw invalidResponse(`the response has nothing at "${this.#options.records}" (records)`)
    yield* asResponseErrors(this.#splitter.end())
  }

  /** @returns the rest of the chunk from the array of records on, or an empty buffer. */
  #walk(chunk: Buffer): Buffer {
    let at = 0
    while (at < chunk.length && this.#state !== 'records') {
      const start = at
      if (this.#state === 'string' || this.#state === 'keyText') at = this.#readText(chunk, at)
      else if (this.#state === 'scalar') at = this.#readScalar(chunk, at)
      else if (isSpace(chunk[at])) at++
      else at = this.#step(chunk, at)
      if (this.#capture !== undefined) this.#addCaptured(chunk.subarray(start, at))
    }
    return chunk.subarray(at)
  }

  /** Consumes one structural byte, or starts a value. */
  #step(chunk: Buffer, at: number): number {
    const byte = chunk[at]
    const state = this.#state
    const around = this.#open.at(-1)
    if ((state === 'firstKey' || state === 'key') && byte === QUOTE) return this.#enter('keyText', at + 1)
    if (state === 'colon' && byte === COLON) return this.#enter('value', at + 1)
    if (state === 'afterValue' && around !== undefined && byte === COMMA)
      return this.#enter(around.close === CLOSE_OBJECT ? 'key' : 'value', at + 1)
    if (CAN_CLOSE.has(state) && around !== undefined && byte === around.close) {
      this.#open.pop()
      this.#endValue()
      return at + 1
    }
    if (state === 'value' && around === undefined && ORDER_MARK.includes(byte)) return at + 1
    if (state === 'value' || state === 'firstElement') return this.#startValue(byte, at)
    throw notJson()
  }

  #startValue(byte: number, at: number): number {
    this.#matchPath(byte)
    if (this.#state === 'records') return at
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      const isObject = byte === OPEN_OBJECT
      this.#open.push({ close: isObject ? CLOSE_OBJECT : CLOSE_ARRAY, key: undefined })
      if (this.#open.length > MAX_DEPTH) throw invalidResponse(`the response is nested deeper than ${MAX_DEPTH}`)
      return this.#enter(isObject ? 'firstKey' : 'firstElement', at + 1)
    }
    this.#token = ''
    return byte === QUOTE ? this.#enter('string', at + 1) : this.#enter('scalar', at)
  }

  /** Starts a capture, or the records, if the value that begins here is configured. */
  #matchPath(byte: number): void {
    const depth = this.#open.length
    if (this.#capture !== undefined || depth === 0 || depth > this.#depthOfPaths) return
    const { records, capture } = this.#options
    const path = this.#open.map(({ key }) => key).join('.')
    if (path === records) {
      this.#found = true
      if (byte === OPEN_ARRAY) this.#state = 'records'
      // APIs that write an empty list as null are common.
      else if (byte !== LOWER_N) throw invalidResponse(`the response has no array at "${records}" (records)`)
    } else if (capture.includes(path)) this.#capture = { path, depth, parts: [], size: 0 }
  }

  /** Consumes the text of a key or string, up to its end or the end of the chunk. */
  #readText(chunk: Buffer, start: number): number {
    let at = start
    while (at < chunk.length) {
      const byte = chunk[at++]
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) {
        if (this.#state === 'string') this.#endValue()
        else this.#endKey(chunk, start, at - 1)
        return at
      }
    }
    if (this.#state === 'keyText') this.#addToken(chunk, start, at)
    return at
  }

  #endKey(chunk: Buffer, start: number, end: number): void {
    this.#addToken(chunk, start, end)
    const key = parseJson(`"${Buffer.from(this.#token, 'latin1').toString()}"`)
    const object = this.#open.at(-1)
    if (object === undefined || typeof key !== 'string') throw notJson()
    object.key = key
    this.#token = ''
    this.#state = 'colon'
  }

  #readScalar(chunk: Buffer, start: number): number {
    let at = start
    while (at < chunk.length && !ENDS_SCALAR.includes(chunk[at])) at++
    this.#addToken(chunk, start, at)
    if (at === chunk.length) return at
    if (parseJson(this.#token) === undefined) throw notJson()
    this.#token = ''
    this.#endValue()
    return at
  }

  #addToken(chunk: Buffer, start: number, end: number): void {
    this.#token += chunk.toString('latin1', start, end)
    if (this.#token.length > MAX_TOKEN)
      throw invalidResponse(`the response has a key or a number of more than ${MAX_TOKEN} bytes`)
  }

  /** Adds bytes to the captured value, white space included. Completes it at its end. */
  #addCaptured(bytes: Buffer): void {
    const capture = this.#capture
    if (capture === undefined) return
    capture.parts.push(Buffer.from(bytes))
    capture.size += bytes.length
    if (capture.size > MAX_CAPTURED)
      throw invalidResponse(`the value at "${capture.path}" of the response is longer than ${MAX_CAPTURED} bytes`)
    if (this.#state !== 'afterValue' || this.#open.length !== capture.depth) return
    const text = textOf(Buffer.concat(capture.parts))
    if (text === undefined) throw notJson()
    this.captured.set(capture.path, text)
    this.#capture = undefined
  }

  #endValue(): void {
    this.#state = 'afterValue'
  }

  #enter(state: ParserState, at: number): number {
    this.#state = state
    return at
  }
}

type ParserState =
  'value' | 'firstElement' | 'firstKey' | 'key' | 'keyText' | 'colon' | 'string' | 'scalar' | 'afterValue' | 'records'

const CAN_CLOSE: ReadonlySet<ParserState> = new Set(['afterValue', 'firstKey', 'firstElement'])
const ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const ENDS_SCALAR = Buffer.from([COMMA, CLOSE_ARRAY, CLOSE_OBJECT, SPACE, TAB, LINE_FEED, RETURN])

/** Longest key or number in bytes; no API comes close. */
const MAX_TOKEN = 4096
const MAX_CAPTURED = 64 * 1024
/** Nesting around the records. Deep records are rejected later. */
const MAX_DEPTH = 1000

/** Minified JSON text; undefined if the bytes are not JSON. */
function textOf(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(minify(bytes, bytes))
    return parseJson(text) === undefined ? undefined : text
  } catch {
    return undefined
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB
}

function notJson(): Error {
  return invalidResponse('the response is not JSON')
}
