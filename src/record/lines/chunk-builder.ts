import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { SkippedLine } from '../chunk.ts'
import { LINE_FEED } from '../json/ascii.ts'
import { release, acquireBuffer, CHUNK_BYTES } from '../chunk-memory.ts'

/** Consecutive whole lines. */
export interface LineChunk {
  /** Each line with its line feed, also the last one of an input that lacks it. Not changed until somebody calls `release` with them. */
  readonly bytes: Buffer
  /** Number of the first line (or element), from 1. */
  readonly line: number
  /** Lines behind `bytes` that are longer than the limit. */
  readonly skipped: readonly SkippedLine[]
  /** Where cutting resumes behind this run. */
  readonly boundary: Boundary
}

/** A border between two lines (or elements) of an input. */
export interface Boundary {
  /** Bytes before it. */
  readonly offset: number
  /** Lines before it. */
  readonly line: number
  /** Of lines: the one before it had no line feed. Of elements: it lies within an array. */
  readonly open: boolean
}

export const START: Boundary = { offset: 0, line: 0, open: false }

/** Makes runs of bytes that come in any chunks. What it yields is never lost: an error is thrown behind everything that came before it. */
export interface Splitter {
  /** The chunk may be overwritten when all of its runs have been taken. */
  push(chunk: Buffer): Iterable<LineChunk>
  /** What is whole so far, if there is anything. */
  flush(): Iterable<LineChunk>
  /** The end of the input: always yields one last run, perhaps an empty one. */
  end(): Iterable<LineChunk>
}

/**
 * Gathers lines in a buffer of its own until they fill a run. At any time it holds whole lines and perhaps the beginning of an open one;
 * of a line that is too long it holds a digest only.
 */
export class ChunkBuilder {
  readonly #maxLine: number
  readonly #runs: LineChunk[] = []
  #buffer: Buffer = EMPTY
  /** Bytes of whole lines. */
  #whole = 0
  /** The same and those of the open line. */
  #length = 0
  #digest: Hash | undefined
  #digested = 0
  #skipped: SkippedLine[] = []
  #mark: Boundary
  #firstLine: number
  #line: number

  constructor(maxLine: number, from: Boundary) {
    this.#maxLine = maxLine
    this.#mark = from
    this.#line = from.line
    this.#firstLine = from.line
  }

  /** Lines closed so far. */
  get line(): number {
    return this.#line
  }

  /** Length of the open line so far. */
  get open(): number {
    return this.#digest === undefined ? this.#length - this.#whole : this.#digested
  }

  /** Adds to the open line. */
  add(bytes: Buffer, start: number, end: number): void {
    if (this.#digest === undefined && this.open + end - start > this.#maxLine) this.#startDigest()
    if (this.#digest === undefined) return this.#copy(bytes, start, end)
    this.#digest.update(bytes.subarray(start, end))
    this.#digested += end - start
  }

  /** Adds lines, each with its line feed and none too long. No line may be open. Keep them well below the size of a run. The rest as for `close`. */
  addLines(bytes: Buffer, start: number, end: number, lines: number, offset: number, open: boolean): void {
    if (this.#skipped.length > 0) this.finish()
    this.#copy(bytes, start, end)
    this.#whole = this.#length
    this.#line += lines
    this.#mark = { offset, line: this.#line, open }
  }

  /** The open line is complete; `offset` and `open` are for the mark behind it. `fit` gives other bytes for it, at most as many, where it does not fit one line as it is. */
  close(offset: number, open: boolean, fit?: (line: Buffer) => Buffer | undefined): void {
    if (this.#digest === undefined) this.#closeLine(fit)
    else this.#closeDigest(this.#digest)
    this.#line++
    this.#mark = { offset, line: this.#line, open }
    if (this.#skipped.length === MAX_SKIPPED) this.finish()
  }

  /** Makes a run of the whole lines, if there are any. */
  flush(): void {
    if (this.#whole > 0 || this.#skipped.length > 0) this.finish()
  }

  /** Makes a run even of nothing. */
  finish(): void {
    const buffer = this.#buffer
    const open = buffer.subarray(this.#whole, this.#length)
    const bytes = buffer.subarray(0, this.#whole)
    // A small run must not hold the memory of a large one.
    const isSmall = this.#whole < buffer.length / 2
    const own = isSmall ? Buffer.from(bytes) : bytes
    this.#runs.push({ bytes: own, line: this.#firstLine + 1, skipped: this.#skipped, boundary: this.#mark })
    this.#skipped = []
    this.#firstLine = this.#mark.line
    this.#buffer = EMPTY
    this.#whole = 0
    this.#length = 0
    if (open.length > 0) this.#copy(open, 0, open.length)
    if (isSmall) release(buffer)
  }

  /** The runs that are ready, once. */
  take(): LineChunk[] {
    return this.#runs.splice(0)
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    if (this.#length + end - start > CHUNK_BYTES && this.#whole > 0) this.finish()
    this.#makeRoom(end - start + 1)
    bytes.copy(this.#buffer, this.#length, start, end)
    this.#length += end - start
  }

  #makeRoom(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const wanted = Math.max(needed, Math.min(2 * this.#buffer.length, this.#maxLine), CHUNK_BYTES)
    const larger = wanted === CHUNK_BYTES ? acquireBuffer() : Buffer.allocUnsafeSlow(wanted)
    const smaller = this.#buffer
    smaller.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
    release(smaller)
  }

  #startDigest(): void {
    this.#digest = createHash('sha256').update(this.#buffer.subarray(this.#whole, this.#length))
    this.#digested = this.#length - this.#whole
    this.#length = this.#whole
  }

  #closeDigest(digest: Hash): void {
    this.#skipped.push({ line: this.#line + 1, length: this.#digested, digest: digest.digest('hex') })
    this.#digest = undefined
    this.#digested = 0
  }

  #closeLine(fit: ((line: Buffer) => Buffer | undefined) | undefined): void {
    if (this.#skipped.length > 0) this.finish()
    this.#makeRoom(1)
    const fitting = fit?.(this.#buffer.subarray(this.#whole, this.#length))
    if (fitting !== undefined) this.#length = this.#whole + fitting.copy(this.#buffer, this.#whole)
    this.#buffer[this.#length++] = LINE_FEED
    this.#whole = this.#length
  }
}

/** A run ends behind so many skipped lines, so that their list stays small. */
const MAX_SKIPPED = 1000

const EMPTY = Buffer.alloc(0)
