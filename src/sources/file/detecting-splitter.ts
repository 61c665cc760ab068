import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  LINE_FEED,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from '../../record/json/ascii.ts'
import type { LineChunk, Splitter } from '../../record/lines/splitter.ts'

export type InputFormat = 'ndjson' | 'array'

/** Detects the format of an input from its first bytes, and splits the input accordingly. */
export class DetectingSplitter implements Splitter {
  readonly #maxHead: number
  readonly #create: (format: InputFormat) => Splitter
  #head: Buffer[] = []
  #headBytes = 0
  #splitter: Splitter | undefined

  /**
   * @param maxHead If so many bytes do not decide, the input is NDJSON that starts with an overlong
   * line.
   * @param create Called once, before the first chunk is yielded.
   */
  constructor(maxHead: number, create: (format: InputFormat) => Splitter) {
    this.#maxHead = maxHead
    this.#create = create
  }

  *push(chunk: Buffer): Generator<LineChunk, void> {
    if (this.#splitter === undefined) yield* this.#collect(chunk)
    else yield* this.#splitter.push(chunk)
  }

  *flush(): Generator<LineChunk, void> {
    yield* this.#detect(true)
    yield* this.#splitter?.flush() ?? []
  }

  *end(): Generator<LineChunk, void> {
    yield* this.#detect(true)
    yield* this.#splitter?.end() ?? []
  }

  *#collect(chunk: Buffer): Generator<LineChunk, void> {
    this.#head.push(Buffer.from(chunk))
    this.#headBytes += chunk.length
    const tooLong = this.#headBytes > this.#maxHead
    // Only a line end can change the result. Without this test, small chunks of a long line cost
    // quadratic time.
    if (tooLong || this.#head.length === 1 || chunk.includes(LINE_FEED)) yield* this.#detect(tooLong)
  }

  *#detect(must: boolean): Generator<LineChunk, void> {
    if (this.#splitter !== undefined) return
    const head = Buffer.concat(this.#head)
    const format = detectFormat(head) ?? (must ? 'ndjson' : undefined)
    if (format === undefined) return
    this.#head = []
    this.#splitter = this.#create(format)
    yield* this.#splitter.push(head)
  }
}

/**
 * `[` starts an array. `{` starts NDJSON if the object is alone on its line, or if the line ends
 * within a string (JSON cannot continue after that: the line is damaged). Otherwise `{` starts
 * objects that are split like array elements: pretty-printed ones, or several on a line. Anything
 * else is NDJSON with a damaged line. Undefined if the head is too short to decide.
 */
function detectFormat(head: Buffer): InputFormat | undefined {
  let at = head.indexOf(ORDER_MARK) === 0 ? ORDER_MARK.length : 0
  while (isSpace(head[at])) at++
  if (at === head.length) return undefined
  if (head[at] === OPEN_ARRAY) return 'array'
  if (head[at] !== OPEN_OBJECT) return 'ndjson'
  let objects = 0
  let depth = 0
  let inString = false
  for (; at < head.length; at++) {
    const byte = head[at]
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

const ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === LINE_FEED || byte === RETURN
}
