import { SluiceError } from '../../errors.ts'
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  LINE_FEED,
  NUL,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from '../json/ascii.ts'
import { fastScanner } from '../fast-scanner.ts'
import { minify } from '../json/minify.ts'
import { ChunkBuilder } from './chunk-builder.ts'
import { ElementMinifier } from './shortener.ts'
import { noStrayBytes, ORDER_MARK, START } from './splitter.ts'
import type { Boundary, Left, LineChunk, ResumableSplitter, StrayBytes } from './splitter.ts'
import { WasmArraySplitter } from '../wasm/array-splitter.ts'

interface ArraySplitterOptions {
  /** Name of the input, for error messages. */
  readonly name: string
  /** Maximum length of an element in bytes, as it is written. */
  readonly maxLine: number
  readonly from?: Boundary
  readonly stray?: StrayBytes
  /** Set by a caller that reads the text around the arrays itself, with `readArray`. */
  readonly builder?: ChunkBuilder
}

/** How the elements of an array are written. */
export function createElementBuilder(maxLine: number, from: Boundary): ChunkBuilder {
  return new ChunkBuilder(maxLine, from, () => new ElementMinifier())
}

/**
 * Splits JSON arrays into chunks of NDJSON lines, one line per element. `line` is the number of the
 * element, counted across all arrays of the input. The input may hold several arrays in a row, and
 * objects outside of arrays, with any whitespace. `StrayBytes` between them are skipped.
 *
 * An element keeps its bytes; only an element with line feeds between its tokens is minified. The
 * grammar of an element is not checked here: an element ends where its brackets close, and the scan
 * of the line finds invalid JSON.
 *
 * The WebAssembly module splits neighbouring elements, many at a time. The TypeScript code splits
 * everything the module leaves out, and everything where the module does not load. Both give the
 * same result.
 *
 * @throws SluiceError INPUT_CORRUPT from `push` and `end`, after all elements before the damage
 * were yielded: for a truncated array, anything but one comma between two elements, and anything
 * but arrays and objects at the top level.
 */
export class ArraySplitter implements ResumableSplitter {
  readonly stray: StrayBytes
  readonly #name: string
  readonly #maxLine: number
  readonly #builder: ChunkBuilder
  readonly #fast: WasmArraySplitter | undefined
  /** Bytes of the whole input before the current part. */
  #offset: number
  #state: SplitState
  /** Open brackets of the current element. */
  #depth = 0
  #inString = false
  /** The next byte follows an unescaped backslash. */
  #escaped = false
  /** The current element is in an array, not at the top level. */
  #inArray: boolean
  #failure: SluiceError | undefined
  /** Stop after each array. */
  readonly #single: boolean
  /** Bytes of a byte order mark that were seen. */
  #orderMark = 0
  /** The input so far ends in NUL bytes. */
  #isPadded = false
  #left: Left = 'nothing'

  constructor(
    { name, maxLine, from = START, builder, stray = noStrayBytes() }: ArraySplitterOptions,
    createFast = createWasmSplitter,
  ) {
    this.stray = stray
    this.#name = name
    this.#maxLine = maxLine
    this.#single = builder !== undefined
    this.#fast = createFast()
    this.#builder = builder ?? createElementBuilder(maxLine, from)
    this.#offset = from.offset
    this.#inArray = from.open
    this.#state = from.open ? 'afterElement' : 'root'
  }

  /** Number of elements so far, including those that are too long. */
  get count(): number {
    return this.#builder.line
  }

  /** The input so far ends within an array. */
  get isOpen(): boolean {
    return this.#state !== 'root'
  }

  get left(): Left {
    return this.#left
  }

  *push(input: Buffer): Generator<LineChunk, void> {
    this.#offset += this.#split(input)
    if (this.#failure !== undefined) this.#builder.flush()
    yield* this.#builder.takeChunks()
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Reads on in an array, in place of `push`. The elements go to the `builder` of the options.
   * @param offset Bytes of the whole input before `input`.
   * @returns the end of the array, or of `input` if the array continues after it.
   * @throws SluiceError INPUT_CORRUPT
   */
  readArray(input: Buffer, offset: number): number {
    this.#offset = offset
    const end = this.#split(input)
    if (this.#failure !== undefined) throw this.#failure
    return end
  }

  /** Forgets the rest of an array that is damaged, with its open element. */
  abandon(): void {
    this.#builder.discard()
    this.#failure = undefined
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    this.#state = 'root'
  }

  flush(): LineChunk[] {
    this.#builder.flush()
    return this.#builder.takeChunks()
  }

  *end(): Generator<LineChunk, void> {
    if (this.#state !== 'root' || this.#orderMark > 0) {
      yield* this.flush()
      throw this.#corrupt(`it ends at byte ${this.#offset} where ${EXPECTED[this.#state]} is expected`)
    }
    this.#builder.finish()
    yield* this.#builder.takeChunks()
  }

  suspend(): LineChunk[] {
    if (this.#state !== 'root' || this.#orderMark > 0) this.#left = 'record'
    else this.#left = this.#isPadded ? 'padding' : 'nothing'
    this.#builder.finish()
    return this.#builder.takeChunks()
  }

  /** Returns the number of bytes consumed. */
  #split(input: Buffer): number {
    let at = 0
    this.#fast?.begin()
    while (at < input.length && this.#failure === undefined) {
      if (this.#state === 'nested') at = this.#splitFast(input, at) ?? this.#splitNested(input, at)
      else if (this.#state === 'scalar') at = this.#splitScalar(input, at)
      else if (isSpace(input[at])) at++
      else if (input[at] === NUL) at = this.#skipNulBytes(input, at)
      else {
        this.#isPadded = false
        at = this.#step(input, at)
        if (this.#single && this.#state === 'root') break
      }
    }
    return at
  }

  #skipNulBytes(input: Buffer, start: number): number {
    let end = start + 1
    while (input[end] === NUL) end++
    this.stray.nulBytes += end - start
    this.#isPadded = true
    return end
  }

  /** Consumes one byte between elements, or enters an element. */
  #step(input: Buffer, at: number): number {
    const byte = input[at]
    const state = this.#state
    if (state === 'root') {
      if (byte === ORDER_MARK[this.#orderMark]) return this.#skipOrderMark(at)
      if (this.#orderMark === 0 && byte === OPEN_ARRAY) return this.#enter('firstElement', at + 1)
      if (this.#orderMark === 0 && byte === OPEN_OBJECT) return this.#startElement('nested', false, at)
    } else if (state === 'afterElement') {
      if (byte === COMMA) return this.#enter('element', at + 1)
      if (byte === CLOSE_ARRAY) return this.#enter('root', at + 1)
    } else {
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY || byte === QUOTE) return this.#startElement('nested', true, at)
      if (SCALAR_STARTS.includes(byte)) return this.#startElement('scalar', true, at)
      if (byte === CLOSE_ARRAY && state === 'firstElement') return this.#enter('root', at + 1)
    }
    this.#failure = this.#corrupt(`${EXPECTED[state]} is expected at byte ${this.#offset + at}`)
    return at
  }

  /** Consumes one byte of a mark. */
  #skipOrderMark(at: number): number {
    this.#orderMark = (this.#orderMark + 1) % ORDER_MARK.length
    if (this.#orderMark === 0 && this.#offset + at >= ORDER_MARK.length) this.stray.orderMarks++
    return at + 1
  }

  #enter(state: SplitState, at: number): number {
    this.#state = state
    return at
  }

  #startElement(state: SplitState, inArray: boolean, at: number): number {
    this.#inArray = inArray
    return this.#enter(state, at)
  }

  /**
   * Splits in WebAssembly: elements, or the rest of the open element. Undefined if the module
   * leaves this place to TypeScript.
   */
  #splitFast(input: Buffer, start: number): number | undefined {
    if (this.#fast === undefined) return undefined
    if (this.#depth > 0) return this.#finishFast(this.#fast, input, start)
    // The element is a string whose opening quote was in the previous part.
    if (this.#inString) return undefined
    const { count, lines, end, openStart } = this.#fast.splitElements(input, start, this.#inArray, this.#maxLine)
    if (count > 0) {
      this.#builder.addLines(lines, 0, lines.length, count, this.#offset + end, this.#inArray)
      this.#state = this.#inArray ? 'afterElement' : 'root'
    }
    if (openStart !== undefined) return this.#addOpen(this.#fast, input, openStart)
    return count > 0 ? end : undefined
  }

  #finishFast(fast: WasmArraySplitter, input: Buffer, start: number): number | undefined {
    const state = { depth: this.#depth, inString: this.#inString, escaped: this.#escaped }
    const end = fast.endOfOpen(input, start, state)
    if (end === undefined) return undefined
    return fast.state.depth > 0 ? this.#addOpen(fast, input, start) : this.#closeElement(input, start, end)
  }

  #addOpen(fast: WasmArraySplitter, input: Buffer, start: number): number {
    const { depth, inString, escaped } = fast.state
    this.#builder.add(input, start, fast.windowEnd)
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    return this.#enter('nested', fast.windowEnd)
  }

  /** Returns the end of the element, or the end of the input if the element goes on. */
  #splitNested(input: Buffer, start: number): number {
    const length = input.length
    let depth = this.#depth
    let inString = this.#inString
    let at = this.#escaped ? start + 1 : start
    while (at < length) {
      if (inString) {
        let byte = input[at++]
        while (byte !== QUOTE && at < length) {
          if (byte === BACKSLASH) at++
          byte = at < length ? input[at++] : 0
        }
        if (byte !== QUOTE) {
          if (byte === BACKSLASH) at++
          break
        }
        inString = false
        if (depth === 0) return this.#closeElement(input, start, at)
      }
      while (at < length && STEPS[input[at]] === PLAIN) at++
      if (at === length) break
      const step = STEPS[input[at++]]
      if (step === STRING) inString = true
      else depth += step
      if (depth === 0 && !inString) return this.#closeElement(input, start, at)
    }
    this.#builder.add(input, start, length)
    this.#depth = depth
    this.#inString = inString
    this.#escaped = at > length
    return length
  }

  #splitScalar(input: Buffer, start: number): number {
    let at = start
    while (at < input.length && !endsScalar(input[at])) at++
    if (at < input.length) return this.#closeElement(input, start, at)
    this.#builder.add(input, start, at)
    return at
  }

  #closeElement(input: Buffer, start: number, end: number): number {
    this.#builder.add(input, start, end)
    this.#builder.close(this.#offset + end, this.#inArray, fitOneLine)
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    return this.#enter(this.#inArray ? 'afterElement' : 'root', end)
  }

  #corrupt(reason: string): SluiceError {
    const after = this.count === 0 ? '' : `, after element ${this.count}`
    return new SluiceError('INPUT_CORRUPT', `${this.#name} is damaged: ${reason}${after}`)
  }
}

type SplitState = keyof typeof EXPECTED

function createWasmSplitter(): WasmArraySplitter | undefined {
  const scanner = fastScanner()
  return scanner === undefined ? undefined : new WasmArraySplitter(scanner.module)
}

/** The states of the splitter, and what may come next in each, for error messages. */
const EXPECTED = {
  root: 'an array or an object',
  firstElement: 'an element or "]"',
  element: 'an element',
  afterElement: '"," or "]"',
  nested: 'the rest of an element',
  scalar: 'the rest of an element',
}

const SCALAR_STARTS = Buffer.from('-0123456789tfn')

/** By byte outside of strings: the change of the depth, or `PLAIN` or `STRING`. */
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

function endsScalar(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_ARRAY || byte === NUL || isSpace(byte)
}

/**
 * A line feed within a string is invalid JSON. Another control character keeps the record on one
 * line, and keeps it invalid.
 */
function fitOneLine(element: Buffer): Buffer | undefined {
  if (!element.includes(LINE_FEED)) return undefined
  const line = minify(element, element)
  for (let at = line.indexOf(LINE_FEED); at >= 0; at = line.indexOf(LINE_FEED, at)) line[at] = RETURN
  return line
}
