import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  LINE_FEED,
  NUL,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from '../../record/json/ascii.ts'
import { isFinished } from '../../record/lines/line-splitter.ts'
import { noStrayBytes, ORDER_MARK, START } from '../../record/lines/splitter.ts'
import type { Boundary, Left, LineChunk, ResumableSplitter, StrayBytes } from '../../record/lines/splitter.ts'

export type InputFormat = 'ndjson' | 'array'

type CreateSplitter = (format: InputFormat, from: Boundary, stray: StrayBytes) => ResumableSplitter

/** Detects the format of an input from its first bytes, and splits the input accordingly. */
export class DetectingSplitter implements ResumableSplitter {
  readonly stray = noStrayBytes()
  readonly #maxHead: number
  readonly #create: CreateSplitter
  readonly #undecided: InputFormat
  /** Blank bytes before the head that were dropped. */
  #blank = START
  #head: Buffer[] = []
  #headBytes = 0
  #hasText = false
  #splitter: ResumableSplitter | undefined
  #left: Left = 'nothing'

  /**
   * @param maxHead So many bytes of text decide. An input that starts with a longer line is
   * `undecided`.
   * @param create Called once, before the first chunk is yielded.
   * @param undecided The format of an input whose head does not decide.
   */
  constructor(maxHead: number, create: CreateSplitter, undecided: InputFormat = 'ndjson') {
    this.#maxHead = maxHead
    this.#undecided = undecided
    this.#create = create
  }

  get left(): Left {
    return this.#splitter?.left ?? this.#left
  }

  *push(chunk: Buffer): Generator<LineChunk, void> {
    if (this.#splitter === undefined) yield* this.#collect(chunk)
    else yield* this.#splitter.push(chunk)
  }

  *flush(): Generator<LineChunk, void> {
    yield* this.#splitter?.flush() ?? []
  }

  *end(): Generator<LineChunk, void> {
    yield* this.#detect(this.#undecided)
    yield* this.#splitter?.end() ?? []
  }

  /** An undecided format stays undecided: what is appended later may decide otherwise. */
  *suspend(): Generator<LineChunk, void> {
    const head = Buffer.concat(this.#head)
    const text = head.subarray(skipBlank(head))
    yield* this.#detect(text.length > 0 && isFinished(text) ? 'ndjson' : undefined)
    if (this.#splitter !== undefined) {
      yield* this.#splitter.suspend()
      return
    }
    this.#count(head.subarray(0, head.length - text.length))
    if (text.length > 0) this.#left = 'record'
    else if (this.stray.nulBytes > 0) this.#left = 'padding'
    yield { bytes: Buffer.alloc(0), line: 1, skipped: [], boundary: START }
  }

  *#collect(chunk: Buffer): Generator<LineChunk, void> {
    this.#head.push(Buffer.from(chunk))
    this.#headBytes += chunk.length
    if (!this.#hasText && !this.#findText()) return
    const tooLong = this.#headBytes > this.#maxHead
    // Only a line end can change the result. Without this test, small chunks of a long line cost
    // quadratic time.
    if (tooLong || this.#head.length === 1 || chunk.includes(LINE_FEED))
      yield* this.#detect(tooLong ? this.#undecided : undefined)
  }

  #findText(): boolean {
    const head = Buffer.concat(this.#head)
    this.#head = [head]
    this.#hasText = skipBlank(head) < head.length
    if (!this.#hasText && head.length > MAX_BLANK) {
      this.#count(head)
      const { offset, line } = this.#blank
      this.#blank = { offset: offset + head.length, line: line + countOf(head, LINE_FEED), open: false }
      this.#head = []
      this.#headBytes = 0
    }
    return this.#hasText
  }

  /** Counts the stray bytes of a blank head that no splitter receives. */
  #count(head: Buffer): void {
    this.stray.nulBytes += countOf(head, NUL)
    const isStart = this.#blank.offset === 0 && head[0] === ORDER_MARK[0]
    this.stray.orderMarks += countOf(head, ORDER_MARK[0]) - (isStart ? 1 : 0)
  }

  /** @param otherwise The format if the head does not decide. */
  *#detect(otherwise: InputFormat | undefined): Generator<LineChunk, void> {
    if (this.#splitter !== undefined) return
    const head = Buffer.concat(this.#head)
    const format = detectFormat(head) ?? otherwise
    if (format === undefined) return
    this.#head = []
    this.#splitter = this.#create(format, format === 'array' ? { ...this.#blank, line: 0 } : this.#blank, this.stray)
    yield* this.#splitter.push(head)
  }
}

/** More white space than this at the start of an input is not kept. */
const MAX_BLANK = 4096

/**
 * `[` starts an array. `{` starts NDJSON if the object is alone on its line, or if the line ends
 * within a string (JSON cannot continue after that, nor after a NUL byte: the line is damaged). Otherwise `{` starts
 * objects that are split like array elements: pretty-printed ones, or several on a line. Anything
 * else is NDJSON with a damaged line. Undefined if the head is too short to decide.
 */
function detectFormat(head: Buffer): InputFormat | undefined {
  let at = skipBlank(head)
  if (ORDER_MARK.indexOf(head.subarray(at)) === 0) return undefined
  if (head[at] === OPEN_ARRAY) return 'array'
  if (head[at] !== OPEN_OBJECT) return 'ndjson'
  let objects = 0
  let depth = 0
  let inString = false
  for (; at < head.length; at++) {
    const byte = head[at]
    if (byte === NUL) return 'ndjson'
    if (byte === LINE_FEED) return depth === 0 || inString ? 'ndjson' : 'array'
    if (inString) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) {
      inString = true
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth++ === 0 && objects++ > 0) return 'array'
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth--
    }
  }
  return undefined
}

/** The position of the first byte that is neither white space nor a stray byte. */
function skipBlank(bytes: Buffer): number {
  let at = 0
  for (;;) {
    if (isSpace(bytes[at]) || bytes[at] === NUL) at++
    else if (bytes[at] === ORDER_MARK[0] && bytes[at + 1] === ORDER_MARK[1] && bytes[at + 2] === ORDER_MARK[2]) at += 3
    else return at
  }
}

function countOf(bytes: Buffer, byte: number): number {
  let count = 0
  for (const one of bytes) if (one === byte) count++
  return count
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === LINE_FEED || byte === RETURN
}
