import { CLOSE_OBJECT, LINE_FEED, NUL, RETURN, SPACE, TAB } from '../json/ascii.ts'
import { ChunkBuilder } from './chunk-builder.ts'
import { BlankTrimmer } from './shortener.ts'
import { noStrayBytes, ORDER_MARK, START } from './splitter.ts'
import type { Boundary, Left, LineChunk, ResumableSplitter, StrayBytes } from './splitter.ts'

interface LineSplitterOptions {
  /** Maximum length of a line in bytes, without the white space around it. */
  readonly maxLine: number
  readonly from?: Boundary
  readonly stray?: StrayBytes
}

/**
 * Splits NDJSON into chunks of whole lines. It does not inspect the bytes of a line. It skips
 * `StrayBytes`.
 *
 * The last line counts even without a line feed. If reading resumes after such a line (a file that
 * grew), a line feed at the start of the new input ends that line and is not an empty line.
 */
export class LineSplitter implements ResumableSplitter {
  readonly stray: StrayBytes
  readonly #maxLine: number
  readonly #builder: ChunkBuilder
  /** Bytes of the whole input before the current part. */
  #offset: number
  /** Bytes of a possible byte order mark at the start of a line, seen and held back. */
  #orderMark = 0
  #afterOpenLine: boolean
  /** Where the text ended, if the input so far ends in NUL bytes. */
  #textEnd: number | undefined
  #lastByte = 0
  #left: Left = 'nothing'

  constructor({ maxLine, from = START, stray = noStrayBytes() }: LineSplitterOptions) {
    this.stray = stray
    this.#maxLine = maxLine
    this.#builder = new ChunkBuilder(maxLine, from, (limit) => new BlankTrimmer(limit))
    this.#offset = from.offset
    this.#afterOpenLine = from.open
  }

  get left(): Left {
    return this.#left
  }

  push(input: Buffer): LineChunk[] {
    let at = 0
    while (at < input.length) {
      const nul = input.indexOf(NUL, at)
      const end = nul < 0 ? input.length : nul
      if (end > at) this.#addText(end - at === input.length ? input : input.subarray(at, end))
      at = nul < 0 ? end : this.#skipNulBytes(input, nul)
    }
    return this.#builder.takeChunks()
  }

  flush(): LineChunk[] {
    this.#builder.flush()
    return this.#builder.takeChunks()
  }

  end(): LineChunk[] {
    this.#endText()
    this.#builder.finish()
    return this.#builder.takeChunks()
  }

  suspend(): LineChunk[] {
    this.#left = this.#textEnd === undefined ? 'nothing' : 'padding'
    if (this.#orderMark > 0 || (this.#builder.open > 0 && !this.#isFinished())) this.#left = 'record'
    else this.#endText()
    this.#builder.finish()
    return this.#builder.takeChunks()
  }

  /** A line that is too long to be parsed is finished if it ends like an object. */
  #isFinished(): boolean {
    const line = this.#builder.openLine
    return line === undefined ? this.#lastByte === CLOSE_OBJECT : isFinished(line)
  }

  /** Takes a part without NUL bytes. */
  #addText(text: Buffer): void {
    if (this.#textEnd !== undefined) this.#endText()
    const start = this.#finishOpenLine(text, this.#skipStart(text))
    const rest = this.#skipOrderMarks(text, this.#addLines(text, start))
    if (rest < text.length) this.#builder.add(text, rest, text.length)
    this.#lastByte = text[text.length - 1]
    this.#offset += text.length
  }

  /** Returns where the next text begins. */
  #skipNulBytes(input: Buffer, start: number): number {
    let end = start + 1
    while (input[end] === NUL) end++
    this.#textEnd ??= this.#offset
    this.stray.nulBytes += end - start
    this.#offset += end - start
    return end
  }

  /** Closes the open line, which the end of the input or a NUL byte ends. */
  #endText(): void {
    if (this.#orderMark > 0) this.#builder.add(ORDER_MARK, 0, this.#orderMark)
    this.#orderMark = 0
    if (this.#builder.open > 0) {
      this.#builder.close(this.#textEnd ?? this.#offset, true)
      this.#afterOpenLine = true
    }
    this.#textEnd = undefined
  }

  /** Returns where the first line of this part begins, or the open line continues. */
  #skipStart(text: Buffer): number {
    let at = 0
    if (this.#afterOpenLine) {
      while (isBlank(text[at])) at++
      if (at < text.length) this.#afterOpenLine = false
      if (text[at] === LINE_FEED) at++
    }
    while (this.#orderMark > 0 && at < text.length) {
      if (text[at] === ORDER_MARK[this.#orderMark]) {
        at++
        this.#orderMark++
        if (this.#orderMark === ORDER_MARK.length) this.#countOrderMark(at)
      } else {
        this.#builder.add(ORDER_MARK, 0, this.#orderMark)
        this.#orderMark = 0
      }
    }
    return at
  }

  #finishOpenLine(text: Buffer, start: number): number {
    if (this.#builder.open === 0) return start
    const end = text.indexOf(LINE_FEED, start)
    if (end < 0) return start
    this.#builder.add(text, start, end)
    this.#builder.close(this.#offset + end + 1, false)
    return end + 1
  }

  /**
   * Copies many lines at a time, and a line that is too long by itself. Returns where the open line
   * begins.
   */
  #addLines(text: Buffer, start: number): number {
    let from = start
    let line = start
    let lines = 0
    for (;;) {
      const end = text.indexOf(LINE_FEED, line)
      const isLast = end < 0
      const isPlain = !isLast && end - line <= this.#maxLine && text[line] !== ORDER_MARK[0]
      if ((!isPlain || end - from >= SPAN_BYTES) && lines > 0) {
        this.#builder.addLines(text, from, line, lines, this.#offset + line, false)
        from = line
        lines = 0
      }
      if (isLast) return line
      if (isPlain) {
        lines++
      } else {
        this.#builder.add(text, this.#skipOrderMarks(text, line), end)
        this.#builder.close(this.#offset + end + 1, false)
        from = end + 1
      }
      line = end + 1
    }
  }

  /**
   * Skips byte order marks at the start of a line. Holds one back that the next part may complete.
   */
  #skipOrderMarks(text: Buffer, start: number): number {
    let at = start
    while (text[at] === ORDER_MARK[0] && this.#builder.open === 0) {
      let end = at + 1
      while (end - at < ORDER_MARK.length && text[end] === ORDER_MARK[end - at]) end++
      if (end - at === ORDER_MARK.length) this.#countOrderMark(end)
      else if (end < text.length) break
      else this.#orderMark = end - at
      at = end
    }
    return at
  }

  /** `end` is the end of the mark in the current part. */
  #countOrderMark(end: number): void {
    this.#orderMark = 0
    if (this.#offset + end > ORDER_MARK.length) this.stray.orderMarks++
  }
}

/**
 * A line without its line feed is finished if it is JSON. A number is not: more digits may follow.
 */
export function isFinished(line: Buffer): boolean {
  if (line.every(isBlank)) return true
  try {
    return typeof JSON.parse(line.toString()) !== 'number'
  } catch {
    return false
  }
}

export function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === RETURN
}

const SPAN_BYTES = 64 * 1024
