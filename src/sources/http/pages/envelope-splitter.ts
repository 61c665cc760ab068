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
import { minify } from '../../../record/json/minify.ts'
import { badAnswer } from '../transport/response-error.ts'
import { withAnswerErrors } from './page-splitter.ts'
import type { PageCutter, Run } from './page-splitter.ts'
import { parseJson } from '../transport/json-values.ts'

interface EnvelopeOptions {
  /** Dotted keys to the array of records. */
  readonly records: string
  /** Dotted keys of other values that are wanted. */
  readonly capture: readonly string[]
  readonly maxLine: number
}

/**
 * Takes the records out of a response such as `{"data":{"events":[...]},"next":"..."}`. It walks over the bytes around the array and leaves
 * the array to the same cutter as a response that is one: records keep their bytes, and memory stays within one record and one run.
 */
export class EnvelopeSplitter implements PageCutter {
  readonly captured = new Map<string, string>()
  readonly #options: EnvelopeOptions
  readonly #cutter: ArraySplitter
  /** Values with more keys above them than that are not wanted. */
  readonly #depthOfPaths: number
  /** The objects and arrays around the next byte, with the key that was read last in each object. */
  readonly #open: { readonly close: number; key: string | undefined }[] = []
  #place: Place = 'value'
  /** The key or scalar that is being read, as far as anybody wants to know it. */
  #token = ''
  #escaped = false
  #capture: { readonly path: string; readonly depth: number; readonly parts: Buffer[]; size: number } | undefined
  #found = false

  constructor(options: EnvelopeOptions) {
    this.#options = options
    this.#cutter = new ArraySplitter({ name: 'the response', maxLine: options.maxLine, single: true })
    const paths = [options.records, ...options.capture]
    this.#depthOfPaths = Math.max(...paths.map((path) => path.split('.').length))
  }

  get count(): number {
    return this.#cutter.count
  }

  *push(chunk: Buffer): Generator<Run, void> {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#place !== 'records') {
        rest = this.#walk(rest)
        continue
      }
      yield* withAnswerErrors(this.#cutter.push(rest))
      const behind = this.#cutter.rest
      if (behind === undefined) return
      this.#place = 'afterValue'
      rest = behind
    }
  }

  *end(): Generator<Run, void> {
    if (this.#place !== 'afterValue' || this.#open.length > 0)
      throw badAnswer('the response was cut short: its JSON does not end')
    if (!this.#found) throw badAnswer(`the response has nothing at "${this.#options.records}" (records)`)
    yield* withAnswerErrors(this.#cutter.end())
  }

  /** What is left of the chunk when the array of records begins. */
  #walk(chunk: Buffer): Buffer {
    let at = 0
    while (at < chunk.length && this.#place !== 'records') {
      const start = at
      if (this.#place === 'string' || this.#place === 'keyText') at = this.#readText(chunk, at)
      else if (this.#place === 'scalar') at = this.#readScalar(chunk, at)
      else if (isSpace(chunk[at])) at++
      else at = this.#step(chunk, at)
      if (this.#capture !== undefined) this.#keep(chunk.subarray(start, at))
    }
    return chunk.subarray(at)
  }

  /** One byte of structure, or the first of a value. */
  #step(chunk: Buffer, at: number): number {
    const byte = chunk[at]
    const place = this.#place
    const around = this.#open.at(-1)
    if ((place === 'firstKey' || place === 'key') && byte === QUOTE) return this.#enter('keyText', at + 1)
    if (place === 'colon' && byte === COLON) return this.#enter('value', at + 1)
    if (place === 'afterValue' && around !== undefined && byte === COMMA)
      return this.#enter(around.close === CLOSE_OBJECT ? 'key' : 'value', at + 1)
    if (CAN_CLOSE.has(place) && around !== undefined && byte === around.close) {
      this.#open.pop()
      this.#endValue()
      return at + 1
    }
    if (place === 'value' && around === undefined && ORDER_MARK.includes(byte)) return at + 1
    if (place === 'value' || place === 'firstElement') return this.#startValue(byte, at)
    throw notJson()
  }

  #startValue(byte: number, at: number): number {
    this.#meet(byte)
    if (this.#place === 'records') return at
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      const isObject = byte === OPEN_OBJECT
      this.#open.push({ close: isObject ? CLOSE_OBJECT : CLOSE_ARRAY, key: undefined })
      if (this.#open.length > MAX_DEPTH) throw badAnswer(`the response is nested deeper than ${MAX_DEPTH}`)
      return this.#enter(isObject ? 'firstKey' : 'firstElement', at + 1)
    }
    this.#token = ''
    return byte === QUOTE ? this.#enter('string', at + 1) : this.#enter('scalar', at)
  }

  /** Looks whether the value that begins here is wanted. */
  #meet(byte: number): void {
    const depth = this.#open.length
    if (this.#capture !== undefined || depth === 0 || depth > this.#depthOfPaths) return
    const { records, capture } = this.#options
    const path = this.#open.map(({ key }) => key).join('.')
    if (path === records) {
      this.#found = true
      if (byte === OPEN_ARRAY) this.#place = 'records'
      // APIs that write an empty list as null are common.
      else if (byte !== LOWER_N) throw badAnswer(`the response has no array at "${records}" (records)`)
    } else if (capture.includes(path)) this.#capture = { path, depth, parts: [], size: 0 }
  }

  /** Through the text of a key or string, as far as the chunk goes. */
  #readText(chunk: Buffer, start: number): number {
    let at = start
    while (at < chunk.length) {
      const byte = chunk[at++]
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) {
        if (this.#place === 'string') this.#endValue()
        else this.#endKey(chunk, start, at - 1)
        return at
      }
    }
    if (this.#place === 'keyText') this.#addToken(chunk, start, at)
    return at
  }

  #endKey(chunk: Buffer, start: number, end: number): void {
    this.#addToken(chunk, start, end)
    const key = parseJson(`"${Buffer.from(this.#token, 'latin1').toString()}"`)
    const object = this.#open.at(-1)
    if (object === undefined || typeof key !== 'string') throw notJson()
    object.key = key
    this.#token = ''
    this.#place = 'colon'
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
      throw badAnswer(`the response has a key or a number of more than ${MAX_TOKEN} bytes`)
  }

  /** The parts of a captured value, its white space too; complete when the value is. */
  #keep(bytes: Buffer): void {
    const capture = this.#capture
    if (capture === undefined) return
    capture.parts.push(Buffer.from(bytes))
    capture.size += bytes.length
    if (capture.size > MAX_CAPTURED)
      throw badAnswer(`the value at "${capture.path}" of the response is longer than ${MAX_CAPTURED} bytes`)
    if (this.#place !== 'afterValue' || this.#open.length !== capture.depth) return
    const text = textOf(Buffer.concat(capture.parts))
    if (text === undefined) throw notJson()
    this.captured.set(capture.path, text)
    this.#capture = undefined
  }

  #endValue(): void {
    this.#place = 'afterValue'
  }

  #enter(place: Place, at: number): number {
    this.#place = place
    return at
  }
}

type Place =
  'value' | 'firstElement' | 'firstKey' | 'key' | 'keyText' | 'colon' | 'string' | 'scalar' | 'afterValue' | 'records'

const CAN_CLOSE: ReadonlySet<Place> = new Set(['afterValue', 'firstKey', 'firstElement'])
const ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const ENDS_SCALAR = Buffer.from([COMMA, CLOSE_ARRAY, CLOSE_OBJECT, SPACE, TAB, LINE_FEED, RETURN])

/** Longer keys and numbers than that are in no API. */
const MAX_TOKEN = 4096
const MAX_CAPTURED = 64 * 1024
/** Of what is around the records; a deep record is the engine's to refuse. */
const MAX_DEPTH = 1000

/** JSON text without the white space between its tokens; undefined when it is none. */
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
  return badAnswer('the response is not JSON')
}
