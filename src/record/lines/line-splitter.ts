import { LINE_FEED, RETURN } from '../json/ascii.ts'
import { ChunkBuilder, START } from './chunk-builder.ts'
import type { Boundary, LineChunk, Splitter } from './chunk-builder.ts'

/**
 * NDJSON as runs of whole lines. The bytes of a line are not looked at; a UTF-8 byte order mark at the start of the input is left out. The
 * last line counts without a line feed too; when input goes on behind such a line, the line feed that it begins with belongs to that line.
 */
export class LineSplitter implements Splitter {
  readonly #maxLine: number
  readonly #builder: ChunkBuilder
  /** Bytes of the input before the chunk at hand. */
  #offset: number
  /** Bytes of a byte order mark that were seen and not handed on; 3 when there is nothing more to look for. */
  #orderMark: number
  #afterOpenLine: boolean

  constructor({ maxLine, from = START }: { readonly maxLine: number; readonly from?: Boundary }) {
    this.#maxLine = maxLine
    this.#builder = new ChunkBuilder(maxLine, from)
    this.#offset = from.offset
    this.#orderMark = from.offset === 0 ? 0 : ORDER_MARK.length
    this.#afterOpenLine = from.open
  }

  push(chunk: Buffer): LineChunk[] {
    const start = this.#finishOpenLine(chunk, this.#skipStart(chunk))
    const rest = this.#addLines(chunk, start)
    if (rest < chunk.length) this.#builder.add(chunk, rest, chunk.length)
    this.#offset += chunk.length
    return this.#builder.take()
  }

  flush(): LineChunk[] {
    this.#builder.flush()
    return this.#builder.take()
  }

  end(): LineChunk[] {
    if (this.#orderMark < ORDER_MARK.length) this.#builder.add(ORDER_MARK, 0, this.#orderMark)
    if (this.#builder.open > 0) this.#builder.close(this.#offset, true)
    this.#builder.finish()
    return this.#builder.take()
  }

  /** Where the first line of the chunk begins. */
  #skipStart(chunk: Buffer): number {
    let at = 0
    if (this.#afterOpenLine) {
      while (chunk[at] === RETURN) at++
      if (at < chunk.length) this.#afterOpenLine = false
      if (chunk[at] === LINE_FEED) at++
    }
    while (this.#orderMark < ORDER_MARK.length && at < chunk.length) {
      if (chunk[at] === ORDER_MARK[this.#orderMark]) {
        this.#orderMark++
        at++
      } else {
        this.#builder.add(ORDER_MARK, 0, this.#orderMark)
        this.#orderMark = ORDER_MARK.length
      }
    }
    return at
  }

  #finishOpenLine(chunk: Buffer, start: number): number {
    if (this.#builder.open === 0) return start
    const end = chunk.indexOf(LINE_FEED, start)
    if (end < 0) return start
    this.#builder.add(chunk, start, end)
    this.#builder.close(this.#offset + end + 1, false)
    return end + 1
  }

  /** Lines are copied many at a time; one that is too long goes by itself. */
  #addLines(chunk: Buffer, start: number): number {
    let from = start
    let line = start
    let lines = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, line)
      const tooLong = end - line > this.#maxLine
      if ((end < 0 || tooLong || end - from >= SPAN_BYTES) && lines > 0) {
        this.#builder.addLines(chunk, from, line, lines, this.#offset + line, false)
        from = line
        lines = 0
      }
      if (end < 0) return line
      if (tooLong) {
        this.#builder.add(chunk, line, end)
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
