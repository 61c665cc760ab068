import { LINE_FEED, RETURN } from '../json/ascii.ts'
import { ChunkBuilder } from './chunk-builder.ts'
import { START } from './splitter.ts'
import type { Boundary, LineChunk, Splitter } from './splitter.ts'

/**
 * Splits NDJSON into chunks of whole lines. It does not inspect the bytes of a line. It skips a
 * UTF-8 byte order mark at the start of the input.
 *
 * The last line counts even without a line feed. If reading resumes after such a line (a file that
 * grew), a line feed at the start of the new input ends that line and is not an empty line.
 */
export class LineSplitter implements Splitter {
  readonly #maxLine: number
  readonly #builder: ChunkBuilder
  /** Bytes of the whole input before the current part. */
  #offset: number
  /**
   * Bytes of a possible byte order mark that were seen and held back; 3 once the search is over.
   */
  #orderMark: number
  #afterOpenLine: boolean

  constructor({ maxLine, from = START }: { readonly maxLine: number; readonly from?: Boundary }) {
    this.#maxLine = maxLine
    this.#builder = new ChunkBuilder(maxLine, from)
    this.#offset = from.offset
    this.#orderMark = from.offset === 0 ? 0 : ORDER_MARK.length
    this.#afterOpenLine = from.open
  }

  push(input: Buffer): LineChunk[] {
    const start = this.#finishOpenLine(input, this.#skipStart(input))
    const rest = this.#addLines(input, start)
    if (rest < input.length) this.#builder.add(input, rest, input.length)
    this.#offset += input.length
    return this.#builder.takeChunks()
  }

  flush(): LineChunk[] {
    this.#builder.flush()
    return this.#builder.takeChunks()
  }

  end(): LineChunk[] {
    if (this.#orderMark < ORDER_MARK.length) this.#builder.add(ORDER_MARK, 0, this.#orderMark)
    if (this.#builder.open > 0) this.#builder.close(this.#offset, true)
    this.#builder.finish()
    return this.#builder.takeChunks()
  }

  /** Returns where the first line of this part begins. */
  #skipStart(input: Buffer): number {
    let at = 0
    if (this.#afterOpenLine) {
      while (input[at] === RETURN) at++
      if (at < input.length) this.#afterOpenLine = false
      if (input[at] === LINE_FEED) at++
    }
    while (this.#orderMark < ORDER_MARK.length && at < input.length) {
      if (input[at] === ORDER_MARK[this.#orderMark]) {
        this.#orderMark++
        at++
      } else {
        this.#builder.add(ORDER_MARK, 0, this.#orderMark)
        this.#orderMark = ORDER_MARK.length
      }
    }
    return at
  }

  #finishOpenLine(input: Buffer, start: number): number {
    if (this.#builder.open === 0) return start
    const end = input.indexOf(LINE_FEED, start)
    if (end < 0) return start
    this.#builder.add(input, start, end)
    this.#builder.close(this.#offset + end + 1, false)
    return end + 1
  }

  /**
   * Copies many lines at a time, and a line that is too long by itself. Returns where the open line
   * begins.
   */
  #addLines(input: Buffer, start: number): number {
    let from = start
    let line = start
    let lines = 0
    for (;;) {
      const end = input.indexOf(LINE_FEED, line)
      const tooLong = end - line > this.#maxLine
      if ((end < 0 || tooLong || end - from >= SPAN_BYTES) && lines > 0) {
        this.#builder.addLines(input, from, line, lines, this.#offset + line, false)
        from = line
        lines = 0
      }
      if (end < 0) return line
      if (tooLong) {
        this.#builder.add(input, line, end)
        this.#builder.close(this.#offset + end + 1, false)
        from = end + 1
      } else {
        lines++
      }
      line = end + 1
    }
  }
}

const ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

const SPAN_BYTES = 64 * 1024
