import { SluiceError } from '../../errors.ts'
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  LINE_FEED,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from '../json/ascii.ts'
import { fastScanner } from '../fast-scanner.ts'
import { minify } from '../json/minify.ts'
import { ChunkBuilder, START } from './chunk-builder.ts'
import type { Boundary, LineChunk, Splitter } from './chunk-builder.ts'
import { WasmArraySplitter } from '../wasm/array-splitter.ts'

interface CutterOptions {
  /** Name of the input, for errors. */
  readonly name: string
  /** Longest element in bytes, as it is written. */
  readonly maxLine: number
  readonly from?: Boundary
  /** Stop behind each array: what follows it is somebody else's, see `behind`. */
  readonly single?: boolean
}

/**
 * JSON arrays as runs of NDJSON lines, one for each element; `line` is the element's number, counted on over all arrays of the input. Takes
 * arrays one behind another and objects that stand in no array, with any whitespace.
 *
 * An element keeps its bytes, except that one with a line feed between its tokens is minified. Its grammar is not checked: it ends
 * where its brackets are closed, and what is not JSON is found when the line is scanned.
 *
 * Elements that stand beside each other are cut in WebAssembly where that runs, many at a time; the code here cuts what that leaves, and
 * everything where it does not run, alike.
 *
 * @throws SluiceError INPUT_CORRUPT from `push` and `end`, behind all elements before the damage: an array that is cut short, anything but one
 * comma between two elements, anything else outside of arrays.
 */
export class ArraySplitter implements Splitter {
  readonly #name: string
  readonly #maxLine: number
  readonly #builder: ChunkBuilder
  readonly #fast: WasmArraySplitter | undefined
  /** Bytes of the input before the chunk at hand. */
  #offset: number
  #place: Place
  /** Open brackets within the element. */
  #depth = 0
  #inString = false
  /** The next byte follows a backslash. */
  #escaped = false
  /** The element stands in an array. */
  #inArray: boolean
  #failure: SluiceError | undefined
  readonly #single: boolean
  #behind: Buffer | undefined

  constructor({ name, maxLine, from = START, single = false }: CutterOptions, createFast = createFastCutter) {
    this.#name = name
    this.#maxLine = maxLine
    this.#single = single
    this.#fast = createFast()
    this.#builder = new ChunkBuilder(maxLine, from)
    this.#offset = from.offset
    this.#inArray = from.open
    this.#place = from.open ? 'afterElement' : 'root'
  }

  /** Elements so far, too long ones included. */
  get count(): number {
    return this.#builder.line
  }

  /** With `single`: the rest of the chunk that was pushed last, when the array has ended within it. */
  get behind(): Buffer | undefined {
    return this.#behind
  }

  *push(chunk: Buffer): Generator<LineChunk, void> {
    const end = this.#cut(chunk)
    this.#offset += end
    this.#behind = this.#single && this.#place === 'root' ? chunk.subarray(end) : undefined
    if (this.#failure !== undefined) this.#builder.flush()
    yield* this.#builder.take()
    if (this.#failure !== undefined) throw this.#failure
  }

  flush(): LineChunk[] {
    this.#builder.flush()
    return this.#builder.take()
  }

  *end(): Generator<LineChunk, void> {
    if (this.#place !== 'root') {
      yield* this.flush()
      throw this.#corrupt(`it ends at byte ${this.#offset} where ${EXPECTED[this.#place]} is expected`)
    }
    this.#builder.finish()
    yield* this.#builder.take()
  }

  /** Returns how many bytes were cut. */
  #cut(chunk: Buffer): number {
    let at = 0
    this.#fast?.begin()
    while (at < chunk.length && this.#failure === undefined) {
      if (this.#place === 'nested') at = this.#cutFast(chunk, at) ?? this.#cutNested(chunk, at)
      else if (this.#place === 'scalar') at = this.#cutScalar(chunk, at)
      else if (isSpace(chunk[at])) at++
      else {
        at = this.#step(chunk, at)
        if (this.#single && this.#place === 'root') break
      }
    }
    return at
  }

  /** One byte outside of elements, or the start of an element. */
  #step(chunk: Buffer, at: number): number {
    const byte = chunk[at]
    const place = this.#place
    if (place === 'root') {
      if (byte === OPEN_ARRAY) return this.#enter('firstElement', at + 1)
      if (byte === OPEN_OBJECT) return this.#startElement('nested', false, at)
      if (byte === ORDER_MARK[this.#offset + at]) return at + 1
    } else if (place === 'afterElement') {
      if (byte === COMMA) return this.#enter('element', at + 1)
      if (byte === CLOSE_ARRAY) return this.#enter('root', at + 1)
    } else {
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY || byte === QUOTE) return this.#startElement('nested', true, at)
      if (SCALAR_STARTS.includes(byte)) return this.#startElement('scalar', true, at)
      if (byte === CLOSE_ARRAY && place === 'firstElement') return this.#enter('root', at + 1)
    }
    this.#failure = this.#corrupt(`${EXPECTED[place]} is expected at byte ${this.#offset + at}`)
    return at
  }

  #enter(place: Place, at: number): number {
    this.#place = place
    return at
  }

  #startElement(place: Place, inArray: boolean, at: number): number {
    this.#inArray = inArray
    return this.#enter(place, at)
  }

  /** Elements in WebAssembly, or the rest of one; undefined where that leaves it. */
  #cutFast(chunk: Buffer, start: number): number | undefined {
    if (this.#fast === undefined) return undefined
    if (this.#depth > 0) return this.#finishFast(this.#fast, chunk, start)
    // A string, its quote in the chunk before.
    if (this.#inString) return undefined
    const { count, lines, end, openStart } = this.#fast.cutElements(chunk, start, this.#inArray, this.#maxLine)
    if (count > 0) {
      this.#builder.addLines(lines, 0, lines.length, count, this.#offset + end, this.#inArray)
      this.#place = this.#inArray ? 'afterElement' : 'root'
    }
    if (openStart !== undefined) return this.#addOpen(this.#fast, chunk, openStart)
    return count > 0 ? end : undefined
  }

  #finishFast(fast: WasmArraySplitter, chunk: Buffer, start: number): number | undefined {
    const state = { depth: this.#depth, inString: this.#inString, escaped: this.#escaped }
    const end = fast.endOfOpen(chunk, start, state)
    if (end === undefined) return undefined
    return fast.state.depth > 0 ? this.#addOpen(fast, chunk, start) : this.#closeElement(chunk, start, end)
  }

  #addOpen(fast: WasmArraySplitter, chunk: Buffer, start: number): number {
    const { depth, inString, escaped } = fast.state
    this.#builder.add(chunk, start, fast.windowEnd)
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    return this.#enter('nested', fast.windowEnd)
  }

  /** Returns where the element, or else the chunk, ends. */
  #cutNested(chunk: Buffer, start: number): number {
    const length = chunk.length
    let depth = this.#depth
    let inString = this.#inString
    let at = this.#escaped ? start + 1 : start
    while (at < length) {
      if (inString) {
        let byte = chunk[at++]
        while (byte !== QUOTE && at < length) {
          if (byte === BACKSLASH) at++
          byte = at < length ? chunk[at++] : 0
        }
        if (byte !== QUOTE) {
          if (byte === BACKSLASH) at++
          break
        }
        inString = false
        if (depth === 0) return this.#closeElement(chunk, start, at)
      }
      while (at < length && STEPS[chunk[at]] === PLAIN) at++
      if (at === length) break
      const step = STEPS[chunk[at++]]
      if (step === STRING) inString = true
      else depth += step
      if (depth === 0 && !inString) return this.#closeElement(chunk, start, at)
    }
    this.#builder.add(chunk, start, length)
    this.#depth = depth
    this.#inString = inString
    this.#escaped = at > length
    return length
  }

  #cutScalar(chunk: Buffer, start: number): number {
    let at = start
    while (at < chunk.length && chunk[at] !== COMMA && chunk[at] !== CLOSE_ARRAY && !isSpace(chunk[at])) at++
    if (at < chunk.length) return this.#closeElement(chunk, start, at)
    this.#builder.add(chunk, start, at)
    return at
  }

  #closeElement(chunk: Buffer, start: number, end: number): number {
    this.#builder.add(chunk, start, end)
    this.#builder.close(this.#offset + end, this.#inArray, fitOneLine)
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    return this.#enter(this.#inArray ? 'afterElement' : 'root', end)
  }

  #corrupt(what: string): SluiceError {
    const behind = this.count === 0 ? '' : `, behind element ${this.count}`
    return new SluiceError('INPUT_CORRUPT', `${this.#name} is damaged: ${what}${behind}`)
  }
}

type Place = keyof typeof EXPECTED

function createFastCutter(): WasmArraySplitter | undefined {
  const scanner = fastScanner()
  return scanner === undefined ? undefined : new WasmArraySplitter(scanner.module)
}

/** What may come next, by the place where the cutter stands. */
const EXPECTED = {
  root: 'an array or an object',
  firstElement: 'an element or "]"',
  element: 'an element',
  afterElement: '"," or "]"',
  nested: 'the rest of an element',
  scalar: 'the rest of an element',
}

const ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

const SCALAR_STARTS = Buffer.from('-0123456789tfn')

/** What a byte outside of strings does to the depth, or one of the two below. */
const STEPS = new Int8Array(256)
const PLAIN = 0
const STRING = 2
STEPS[QUOTE] = STRING
STEPS[OPEN_OBJECT] = 1
STEPS[OPEN_ARRAY] = 1
STEPS[CLOSE_OBJECT] = -1
STEPS[CLOSE_ARRAY] = -1

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB
}

/** A line feed within a string is not JSON: another control character keeps the record one line, and as wrong as it is. */
function fitOneLine(element: Buffer): Buffer | undefined {
  if (!element.includes(LINE_FEED)) return undefined
  const line = minify(element, element)
  for (let at = line.indexOf(LINE_FEED); at >= 0; at = line.indexOf(LINE_FEED, at)) line[at] = RETURN
  return line
}
