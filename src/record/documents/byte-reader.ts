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
} from '../json/ascii.ts'
import { minify } from '../json/minify.ts'
import { ArraySplitter } from '../lines/array-splitter.ts'
import type { ChunkBuilder } from '../lines/chunk-builder.ts'
import type { Boundary, StrayBytes } from '../lines/splitter.ts'
import { DocumentFault, MAX_OUTER_DEPTH, MAX_TOKEN, notJson, nothingAt, wrongTypeAt } from './document-reader.ts'
import type { DocumentReader } from './document-reader.ts'
import { KeyCollector } from './seen-keys.ts'

export interface ByteReaderOptions {
  /** Name of the input, for error messages. */
  readonly name: string
  /** Keys to the array of records; at least one. */
  readonly keys: readonly string[]
  /** The same as it is configured. */
  readonly records: string
  readonly maxLine: number
  readonly builder: ChunkBuilder
  readonly from: Boundary
  readonly stray: StrayBytes
  /** Dotted keys of other values to capture, at most `MAX_CAPTURED` bytes each. */
  readonly capture?: readonly string[]
}

/**
 * Reads documents such as `{"data":{"events":[…]},"next":"…"}`. Walks over the bytes around the
 * array, and leaves the array itself to an `ArraySplitter`: records keep their bytes. If the path
 * matches twice (duplicate keys), all its arrays are read.
 */
export class ByteReader implements DocumentReader {
  /** JSON text of the captured values of the last document, by their dotted keys. */
  readonly captured = new Map<string, string>()
  readonly #options: ByteReaderOptions
  readonly #capturePaths: readonly string[]
  readonly #array: ArraySplitter
  /** Deeper values are not captured. */
  readonly #captureDepth: number
  /** Deeper keys make no difference. */
  readonly #depthOfPaths: number
  /** The objects and arrays around the next byte, with the latest key of each object. */
  #open: { readonly close: number; key: string | undefined }[] = []
  #state: ParserState = 'value'
  /** The key or scalar that is being read, as latin1. */
  #token = ''
  #escaped = false
  #capture: { readonly path: string; readonly depth: number; readonly parts: Buffer[]; size: number } | undefined
  #found = false
  readonly #keys = new KeyCollector()
  #offset = 0

  constructor(options: ByteReaderOptions) {
    const { name, maxLine, builder, from, stray, keys, capture = [] } = options
    this.#options = options
    this.#capturePaths = capture
    this.#captureDepth = Math.max(0, ...capture.map((path) => path.split('.').length))
    this.#depthOfPaths = Math.max(keys.length, this.#captureDepth)
    this.#array = new ArraySplitter({ name, maxLine, builder, from, stray })
    if (!from.open) return
    this.#open = keys.map((key) => ({ close: CLOSE_OBJECT, key }))
    this.#state = 'records'
    this.#found = true
  }

  get isOpen(): boolean {
    return this.#open.length > 0
  }

  read(bytes: Buffer, offset: number): number {
    this.#offset = offset
    let at = 0
    if (!this.isOpen) at = this.#begin(bytes)
    while (at < bytes.length && this.isOpen) {
      if (this.#state !== 'records') {
        at = this.#walk(bytes, at)
        continue
      }
      at += this.#array.readArray(at === 0 ? bytes : bytes.subarray(at), offset + at)
      if (!this.#array.isOpen) this.#state = 'afterValue'
    }
    if (!this.isOpen) this.#end()
    return at
  }

  abandon(): void {
    this.#array.abandon()
    this.#open = []
    this.#capture = undefined
  }

  #begin(bytes: Buffer): number {
    this.captured.clear()
    this.#keys.begin(bytes[0] === OPEN_ARRAY)
    this.#found = false
    this.#escaped = false
    this.#state = 'value'
    return this.#startValue(bytes[0], 0)
  }

  #end(): void {
    if (!this.#found) throw nothingAt(this.#options.records, this.#keys.seen)
  }

  /** @returns where the walk ends: at the array of records, or at the end of the document or chunk. */
  #walk(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length && this.#state !== 'records' && this.isOpen) {
      const start = at
      if (IS_TEXT.has(this.#state)) at = this.#readText(chunk, at)
      else if (this.#state === 'scalar') at = this.#readScalar(chunk, at)
      else if (isSpace(chunk[at])) at++
      else at = this.#step(chunk, at)
      if (this.#capture !== undefined) this.#addCaptured(chunk.subarray(start, at), start)
    }
    return at
  }

  /** Consumes one structural byte, or starts a value. */
  #step(chunk: Buffer, at: number): number {
    const byte = chunk[at]
    const state = this.#state
    const around = this.#open.at(-1)
    if ((state === 'firstKey' || state === 'key') && byte === QUOTE)
      return this.#enter(this.#open.length > this.#depthOfPaths ? 'deepKey' : 'keyText', at + 1)
    if (state === 'colon' && byte === COLON) return this.#enter('value', at + 1)
    if (state === 'afterValue' && byte === COMMA)
      return this.#enter(around?.close === CLOSE_OBJECT ? 'key' : 'value', at + 1)
    if (CAN_CLOSE.has(state) && byte === around?.close) {
      this.#open.pop()
      return this.#enter('afterValue', at + 1)
    }
    if (state === 'value' || state === 'firstElement') return this.#startValue(byte, at)
    throw notJson(this.#offset + at)
  }

  #startValue(byte: number, at: number): number {
    if (this.#open.length > 0 && this.#open.length <= this.#depthOfPaths) this.#matchPath(byte)
    if (this.#state === 'records') return at
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      const isObject = byte === OPEN_OBJECT
      this.#open.push({ close: isObject ? CLOSE_OBJECT : CLOSE_ARRAY, key: undefined })
      if (this.#open.length > MAX_OUTER_DEPTH) throw new DocumentFault(`is nested deeper than ${MAX_OUTER_DEPTH}`)
      return this.#enter(isObject ? 'firstKey' : 'firstElement', at + 1)
    }
    this.#token = ''
    return byte === QUOTE ? this.#enter('string', at + 1) : this.#enter('scalar', at)
  }

  /** Starts a capture, or the records, if the value that begins here is configured. */
  #matchPath(byte: number): void {
    if (this.#capture !== undefined) return
    const depth = this.#open.length
    const { keys, records } = this.#options
    const matched = depth <= keys.length ? this.#matchedKeys() : 0
    if (depth > 0 && depth <= keys.length && matched >= depth - 1)
      this.#keys.add(this.#open[depth - 1].key ?? '', keys[depth - 1], depth - 1, byte === OPEN_ARRAY)
    if (depth === keys.length && matched === depth) {
      this.#found = true
      if (byte === OPEN_ARRAY) this.#state = 'records'
      // Programs that write an empty list as null are common.
      else if (byte !== LOWER_N) throw wrongTypeAt(records, 'array', byte === OPEN_OBJECT ? 'object' : undefined)
    } else if (depth <= this.#captureDepth) {
      const path = this.#open.map(({ key }) => key).join('.')
      if (this.#capturePaths.includes(path)) this.#capture = { path, depth, parts: [], size: 0 }
    }
  }

  /** How many keys of the path lead to the value that begins here. */
  #matchedKeys(): number {
    const { keys } = this.#options
    const end = this.#open.findIndex(({ key }, at) => key !== keys[at])
    return end < 0 ? this.#open.length : end
  }

  /** Consumes the text of a key or string, up to its end or the end of the chunk. */
  #readText(chunk: Buffer, start: number): number {
    let at = this.#escaped ? start + 1 : start
    while (at < chunk.length) {
      const byte = chunk[at++]
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) {
        this.#escaped = false
        if (this.#state === 'keyText') this.#endKey(chunk, start, at - 1)
        else this.#state = this.#state === 'string' ? 'afterValue' : 'colon'
        return at
      }
    }
    this.#escaped = at > chunk.length
    if (this.#state === 'keyText') this.#addToken(chunk, start, chunk.length)
    return chunk.length
  }

  #endKey(chunk: Buffer, start: number, end: number): void {
    this.#addToken(chunk, start, end)
    const key = parse(`"${Buffer.from(this.#token, 'latin1').toString()}"`)
    const object = this.#open.at(-1)
    if (object === undefined || typeof key !== 'string') throw notJson(this.#offset + end)
    object.key = key
    this.#token = ''
    this.#state = 'colon'
  }

  #readScalar(chunk: Buffer, start: number): number {
    let at = start
    while (at < chunk.length && ENDS_SCALAR[chunk[at]] === 0) at++
    this.#addToken(chunk, start, at)
    if (at === chunk.length) return at
    if (parse(this.#token) === undefined) throw notJson(this.#offset + at)
    this.#token = ''
    return this.#enter('afterValue', at)
  }

  #addToken(chunk: Buffer, start: number, end: number): void {
    this.#token += chunk.toString('latin1', start, end)
    if (this.#token.length > MAX_TOKEN)
      throw new DocumentFault(`has a key or a number of more than ${MAX_TOKEN} bytes around the records`)
  }

  /** Adds bytes to the captured value, white space included. Completes it at its end. */
  #addCaptured(bytes: Buffer, at: number): void {
    const capture = this.#capture
    if (capture === undefined) return
    capture.parts.push(Buffer.from(bytes))
    capture.size += bytes.length
    if (capture.size > MAX_CAPTURED)
      throw new DocumentFault(`has a value at "${capture.path}" that is longer than ${MAX_CAPTURED} bytes`)
    if (this.#state !== 'afterValue' || this.#open.length !== capture.depth) return
    const text = textOf(Buffer.concat(capture.parts))
    if (text === undefined) throw notJson(this.#offset + at)
    this.captured.set(capture.path, text)
    this.#capture = undefined
  }

  #enter(state: ParserState, at: number): number {
    this.#state = state
    return at
  }
}

type ParserState =
  | 'value'
  | 'firstElement'
  | 'firstKey'
  | 'key'
  | 'keyText'
  | 'deepKey'
  | 'colon'
  | 'string'
  | 'scalar'
  | 'afterValue'
  | 'records'

const CAN_CLOSE: ReadonlySet<ParserState> = new Set(['afterValue', 'firstKey', 'firstElement'])
const IS_TEXT: ReadonlySet<ParserState> = new Set(['string', 'keyText', 'deepKey'])
/** 1 for each byte that ends a number or a literal. */
const ENDS_SCALAR = new Uint8Array(256)
for (const byte of [COMMA, CLOSE_ARRAY, CLOSE_OBJECT, SPACE, TAB, LINE_FEED, RETURN]) ENDS_SCALAR[byte] = 1

const MAX_CAPTURED = 64 * 1024

/** Minified JSON text; undefined if the bytes are not JSON. */
function textOf(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(minify(bytes, bytes))
    return parse(text) === undefined ? undefined : text
  } catch {
    return undefined
  }
}

/** Undefined if the text is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB
}
