import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { SkippedLine } from '../chunk.ts'
import type { RejectCode } from '../../errors.ts'
import { LINE_FEED } from '../json/ascii.ts'
import { release, acquireBuffer, CHUNK_BYTES } from '../chunk-memory.ts'
import { describeEnvelope, ENVELOPE_BYTES, listOfObjects } from './envelope.ts'
import type { Shortener } from './shortener.ts'
import type { Boundary, DocumentStart, LineChunk } from './splitter.ts'

/**
 * Collects lines in its own buffer until they fill a chunk. It holds whole lines and at most one
 * open line (a line whose end it has not seen). If an open line exceeds the length limit as the
 * input spells it, it is shortened to what will be written. If that exceeds the limit too, it is
 * not stored: a running digest and the length are kept instead.
 */
export class ChunkBuilder {
  readonly #maxLine: number
  readonly #createShortener: (maxLine: number) => Shortener
  readonly #finished: LineChunk[] = []
  #buffer: Buffer = EMPTY
  /** Bytes of the whole lines in the buffer. */
  #whole = 0
  /** Bytes of the whole lines and of the open line. */
  #length = 0
  /** Of an open line that exceeds the limit as spelled: its digest and its length. */
  #digest: Hash | undefined
  #spelled = 0
  /** Its first bytes. */
  #head = EMPTY
  /** Of such a line, as long as it may fit when it is shortened. */
  #shortener: Shortener | undefined
  #skipped: SkippedLine[] = []
  #boundary: Boundary
  #firstLine: number
  #line: number

  constructor(maxLine: number, from: Boundary, createShortener: (maxLine: number) => Shortener) {
    this.#maxLine = maxLine
    this.#createShortener = createShortener
    this.#boundary = from
    this.#line = from.line
    this.#firstLine = from.line
  }

  /** Number of lines closed so far. */
  get line(): number {
    return this.#line
  }

  /** Bytes of the open line so far, as spelled. */
  get open(): number {
    return this.#digest === undefined ? this.#length - this.#whole : this.#spelled
  }

  /** The open line so far; undefined if it is too long. Valid until the next call. */
  get openLine(): Buffer | undefined {
    const isStored = this.#digest === undefined || this.#shortener !== undefined
    return isStored ? this.#buffer.subarray(this.#whole, this.#length) : undefined
  }

  /** Appends to the open line. */
  add(bytes: Buffer, start: number, end: number): void {
    if (this.#digest !== undefined) return this.#addLong(this.#digest, bytes.subarray(start, end))
    if (this.open + end - start <= this.#maxLine) return this.#copy(bytes, start, end)
    const stored = Buffer.from(this.#buffer.subarray(this.#whole, this.#length))
    this.#digest = createHash('sha256')
    this.#shortener = this.#createShortener(this.#maxLine)
    this.#spelled = 0
    this.#head = EMPTY
    this.#length = this.#whole
    this.#addLong(this.#digest, stored)
    this.#addLong(this.#digest, bytes.subarray(start, end))
  }

  /**
   * Adds whole lines, each with its line feed and within the length limit. No line may be open.
   * Pass much less than `CHUNK_BYTES` at a time. `offset` and `open` are those of `close`.
   */
  addLines(bytes: Buffer, start: number, end: number, lines: number, offset: number, open: boolean): void {
    if (this.#skipped.length > 0) this.finish()
    this.#copy(bytes, start, end)
    this.#whole = this.#length
    this.#line += lines
    this.#boundary = { offset, line: this.#line, open }
  }

  /**
   * Ends the open line. `offset` and `open` describe the boundary after it. `fit` may return other
   * bytes for a line that contains line feeds, at most as many as it has.
   */
  close(offset: number, open: boolean, fit?: (line: Buffer) => Buffer | undefined, document?: DocumentStart): void {
    if (this.#digest === undefined || this.#shortener?.isUsed === true) this.#closeLine(fit)
    else this.#closeLong(this.#digest)
    this.#startNext({ offset, line: this.#line + 1, open, ...(document && { document }) })
  }

  /** Ends the open line, if any, as one that is skipped. `boundary` is the one after it. */
  skip(skipped: Omit<SkippedLine, 'line'>, boundary: Omit<Boundary, 'line'>): void {
    this.#length = this.#whole
    this.#skipped.push({ ...skipped, line: this.#line + 1 })
    this.#startNext({ ...boundary, line: this.#line + 1 })
  }

  /** Ends the open line as one that is skipped, whatever its length. */
  reject(code: RejectCode, boundary: Omit<Boundary, 'line'>): void {
    const digest = this.#digest ?? createHash('sha256').update(this.#buffer.subarray(this.#whole, this.#length))
    this.skip({ code, length: this.open, digest: digest.digest('hex') }, boundary)
  }

  /** Forgets the open line. */
  discard(): void {
    this.#length = this.#whole
    this.#digest = undefined
    this.#shortener = undefined
  }

  /** Moves the boundary over bytes without lines. No line may be open. */
  pass(offset: number): void {
    this.#boundary = { offset, line: this.#line, open: false }
  }

  /** Ends the current chunk if it has any lines. */
  flush(): void {
    if (this.#whole > 0 || this.#skipped.length > 0) this.finish()
  }

  /** Ends the current chunk, even an empty one. */
  finish(): void {
    const buffer = this.#buffer
    const open = buffer.subarray(this.#whole, this.#length)
    const bytes = buffer.subarray(0, this.#whole)
    // A small chunk must not pin the memory of a large one.
    const isSmall = this.#whole < buffer.length / 2
    const own = isSmall ? Buffer.from(bytes) : bytes
    this.#finished.push({ bytes: own, line: this.#firstLine + 1, skipped: this.#skipped, boundary: this.#boundary })
    this.#skipped = []
    this.#firstLine = this.#boundary.line
    this.#buffer = EMPTY
    this.#whole = 0
    this.#length = 0
    if (open.length > 0) this.#copy(open, 0, open.length)
    if (isSmall) release(buffer)
  }

  /** Returns the finished chunks, each of them once. */
  takeChunks(): LineChunk[] {
    return this.#finished.splice(0)
  }

  #startNext(boundary: Boundary): void {
    this.#digest = undefined
    this.#shortener = undefined
    this.#line = boundary.line
    this.#boundary = boundary
    if (this.#skipped.length === MAX_SKIPPED) this.finish()
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

  #addLong(digest: Hash, bytes: Buffer): void {
    digest.update(bytes)
    this.#spelled += bytes.length
    const more = ENVELOPE_BYTES - this.#head.length
    if (more > 0) this.#head = Buffer.concat([this.#head, bytes.subarray(0, more)])
    if (this.#shortener === undefined) return
    const shorter = this.#shortener.push(bytes)
    if (this.#shortener.length <= this.#maxLine) return this.#copy(shorter, 0, shorter.length)
    this.#shortener = undefined
    this.#length = this.#whole
  }

  #closeLong(digest: Hash): void {
    this.#length = this.#whole
    const key = listOfObjects(this.#head)
    this.#skipped.push({
      line: this.#line + 1,
      length: this.#spelled,
      digest: digest.digest('hex'),
      ...(key !== undefined && { detail: describeEnvelope(key) }),
    })
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

/** A chunk ends after this many skipped lines, so that their list stays small. */
const MAX_SKIPPED = 1000

const EMPTY: Buffer = Buffer.alloc(0)
