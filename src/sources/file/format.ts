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

export type Format = 'ndjson' | 'array'

/** Finds out the format from the start of an input, and splits the input by it. */
export class DetectingSplitter implements Splitter {
  readonly #maxHead: number
  readonly #create: (format: Format) => Splitter
  #head: Buffer[] = []
  #headBytes = 0
  #splitter: Splitter | undefined

  /**
   * @param maxHead What cannot be told from so many bytes is NDJSON, with a line that is longer than that.
   * @param create Called once, before the first run is yielded.
   */
  constructor(maxHead: number, create: (format: Format) => Splitter) {
    this.#maxHead = maxHead
    this.#create = create
  }

  *push(chunk: Buffer): Generator<LineChunk, void> {
    if (this.#splitter === undefined) yield* this.#look(chunk)
    else yield* this.#splitter.push(chunk)
  }

  *flush(): Generator<LineChunk, void> {
    yield* this.#settle(true)
    yield* this.#splitter?.flush() ?? []
  }

  *end(): Generator<LineChunk, void> {
    yield* this.#settle(true)
    yield* this.#splitter?.end() ?? []
  }

  *#look(chunk: Buffer): Generator<LineChunk, void> {
    this.#head.push(Buffer.from(chunk))
    this.#headBytes += chunk.length
    const tooLong = this.#headBytes > this.#maxHead
    // Looking again pays only when a line has ended: small chunks of one long line would be looked at over and over.
    if (tooLong || this.#head.length === 1 || chunk.includes(LINE_FEED)) yield* this.#settle(tooLong)
  }

  *#settle(must: boolean): Generator<LineChunk, void> {
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
 * `[` begins an array. `{` begins NDJSON when the object ends on its line and stands there alone, or when the line ends within a string
 * (a damaged line: no JSON goes on behind that). Otherwise it begins objects that are cut as the elements of arrays are: pretty-printed
 * ones, or several on a line. Anything else is NDJSON with a damaged line. Undefined when the head is too short to tell.
 */
function detectFormat(head: Buffer): Format | undefined {
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
