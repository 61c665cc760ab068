import { createHash } from 'node:crypto'
import { SluiceError } from '../../errors.ts'
import { LINE_FEED, NUL, OPEN_ARRAY, OPEN_OBJECT, RETURN, SPACE, TAB } from '../json/ascii.ts'
import type { ChunkBuilder } from '../lines/chunk-builder.ts'
import { noStrayBytes, ORDER_MARK } from '../lines/splitter.ts'
import type { Boundary, Left, LineChunk, ResumableSplitter, StrayBytes } from '../lines/splitter.ts'
import { DocumentFault, notJson } from './document-reader.ts'
import type { DocumentReader } from './document-reader.ts'

interface DocumentSplitterOptions {
  /** Name of the input, for error messages. */
  readonly name: string
  readonly reader: DocumentReader
  /** The builder that the reader adds records to. */
  readonly builder: ChunkBuilder
  /** Where splitting begins, see `resumeOffset`. */
  readonly from: Boundary
  readonly stray?: StrayBytes
  /**
   * How documents are laid out. `free`: one after the other, with any white space. `one`: the input
   * is one document. `lines`: each line is a document, so a damaged one ends with its line.
   */
  readonly layout: 'free' | 'one' | 'lines'
  /**
   * For `lines`: reject a document that cannot be read even if no document before it could be. If
   * not set, the first document decides whether the path of the records is right.
   */
  readonly tolerant?: boolean
  /** A hint for a document without records at their path. */
  readonly suggest?: (fault: DocumentFault) => string | undefined
}

/**
 * Splits documents into chunks of NDJSON lines, one line per record. `line` is the number of the
 * record, counted across all documents of the input. `StrayBytes` between documents are skipped.
 *
 * @throws SluiceError INPUT_CORRUPT from `push` and `end`, after all records before the damage were
 * yielded: for a document that is truncated, not JSON or without a value at the path. Where each
 * line is a document, such a line is rejected instead, once a document of the input was read.
 */
export class DocumentSplitter implements ResumableSplitter {
  readonly stray: StrayBytes
  readonly #options: DocumentSplitterOptions
  readonly #reader: DocumentReader
  readonly #builder: ChunkBuilder
  readonly #inLines: boolean
  /** Bytes of the whole input before the current part. */
  #offset: number
  /** Where the current document begins. */
  #start: number
  /** Documents that ended. */
  #documents = 0
  #isTolerant: boolean
  /** Why the rest of the current line is skipped. */
  #fault: DocumentFault | undefined
  /** The first bytes of the current line, from earlier parts; for the digest of a line that is rejected. */
  #head: Buffer[] = []
  #headBytes = 0
  /** Bytes of a byte order mark that were seen. */
  #orderMark = 0
  /** The input so far ends in NUL bytes. */
  #isPadded = false
  #failure: SluiceError | undefined
  #left: Left = 'nothing'

  constructor(options: DocumentSplitterOptions) {
    const { reader, builder, from, layout, tolerant = false, stray = noStrayBytes() } = options
    this.stray = stray
    this.#options = options
    this.#reader = reader
    this.#builder = builder
    this.#inLines = layout === 'lines'
    this.#offset = from.document?.offset ?? from.offset
    this.#start = this.#offset
    // A boundary after a record is after a document that could be read.
    this.#isTolerant = tolerant || from.line > 0
  }

  get left(): Left {
    return this.#left
  }

  *push(input: Buffer): Generator<LineChunk, void> {
    if (this.#inLines) this.#pushLines(input)
    else this.#readPart(input, 0)
    this.#offset += input.length
    yield* this.#takeChunks()
  }

  flush(): LineChunk[] {
    this.#builder.flush()
    return this.#builder.takeChunks()
  }

  *end(): Generator<LineChunk, void> {
    if (this.#inLines) this.#endLine(EMPTY, 0)
    else if (this.#isUnfinished) this.#fail(new DocumentFault(CUT_SHORT))
    if (this.#failure === undefined) this.#builder.finish()
    yield* this.#takeChunks()
  }

  *suspend(): Generator<LineChunk, void> {
    if (this.#isUnfinished || this.#fault !== undefined) this.#left = 'record'
    else {
      if (this.#inLines) this.#endLine(EMPTY, 0)
      this.#left = this.#isPadded ? 'padding' : 'nothing'
    }
    this.#builder.finish()
    yield* this.#takeChunks()
  }

  get #isUnfinished(): boolean {
    const { layout } = this.#options
    return this.#reader.isOpen || this.#orderMark > 0 || (layout === 'one' && this.#documents === 0)
  }

  *#takeChunks(): Generator<LineChunk, void> {
    if (this.#failure !== undefined) this.#builder.flush()
    yield* this.#builder.takeChunks()
    if (this.#failure !== undefined) throw this.#failure
  }

  #pushLines(input: Buffer): void {
    let at = 0
    let nul = input.indexOf(NUL)
    while (at < input.length && this.#failure === undefined) {
      if (nul >= 0 && nul < at) nul = input.indexOf(NUL, at)
      const lineFeed = input.indexOf(LINE_FEED, at)
      const end = lineFeed < 0 || (nul >= 0 && nul < lineFeed) ? nul : lineFeed
      at = this.#readPart(end < 0 ? input : input.subarray(0, end), at)
      if (end < 0 || this.#failure !== undefined) break
      this.#endLine(input, end)
      at = end === nul ? this.#skipNulBytes(input, end) : end + 1
    }
    this.#keepHead(input)
  }

  /** Reads documents up to the end of the part, or to a fault. Returns where it ends. */
  #readPart(part: Buffer, start: number): number {
    let at = start
    while (at < part.length && this.#fault === undefined && this.#failure === undefined) {
      if (this.#reader.isOpen) at = this.#read(part, at)
      else if (isSpace(part[at])) at++
      else if (part[at] === NUL) at = this.#skipNulBytes(part, at)
      else {
        this.#isPadded = false
        at = this.#begin(part, at)
      }
    }
    return this.#fault === undefined ? at : part.length
  }

  /** Consumes a byte of a byte order mark, or begins a document. */
  #begin(part: Buffer, at: number): number {
    const byte = part[at]
    if (byte === ORDER_MARK[this.#orderMark]) {
      this.#orderMark = (this.#orderMark + 1) % ORDER_MARK.length
      if (this.#orderMark === 0 && this.#offset + at >= ORDER_MARK.length) this.stray.orderMarks++
      return at + 1
    }
    if (!this.#inLines) this.#start = this.#offset + at
    const isExpected = this.#options.layout !== 'one' || this.#documents === 0
    if (this.#orderMark === 0 && isExpected && (byte === OPEN_OBJECT || byte === OPEN_ARRAY))
      return this.#read(part, at)
    this.#orderMark = 0
    return this.#stop(notJson(this.#offset + at), at)
  }

  #read(part: Buffer, at: number): number {
    try {
      const end = at + this.#reader.read(at === 0 ? part : part.subarray(at), this.#offset + at)
      if (!this.#reader.isOpen) this.#endDocument(end)
      return end
    } catch (error) {
      return this.#stop(error, at)
    }
  }

  #endDocument(end: number): void {
    this.#documents++
    this.#isTolerant = true
    this.#builder.pass(this.#offset + end)
  }

  /** Handles a fault, or throws any other error. */
  #stop(error: unknown, at: number): number {
    const isDamage = error instanceof SluiceError && error.code === 'INPUT_CORRUPT'
    if (!isDamage && !(error instanceof DocumentFault)) throw error
    this.#reader.abandon()
    if (this.#inLines && this.#isTolerant) {
      this.#fault = error instanceof DocumentFault ? error : new DocumentFault('is damaged within the array of records')
    } else if (error instanceof DocumentFault) this.#fail(error)
    else this.#failure = error
    return at
  }

  #fail(fault: DocumentFault): void {
    const { message, code } = fault
    const { name, layout, suggest } = this.#options
    const place = this.#start > 0 ? `, in the document at byte ${this.#start}` : ''
    const hint =
      suggest?.(fault) ??
      (layout === 'lines' ? 'with `format: ndjson`, such a line is rejected and the others are read' : undefined)
    this.#failure = new SluiceError(
      'INPUT_CORRUPT',
      code === 'NO_RECORDS' ? `${name} ${message}${place}` : `${name} ${message}`,
      hint === undefined ? {} : { hint },
    )
  }

  /** Ends a line at `end`, where its line feed or NUL byte is. */
  #endLine(input: Buffer, end: number): void {
    if (this.#isUnfinished) {
      this.#orderMark = 0
      this.#stop(new DocumentFault(CUT_SHORT), end)
    }
    const fault = this.#fault
    if (fault !== undefined) this.#reject(fault, input.subarray(Math.max(0, this.#start - this.#offset), end), end)
    this.#fault = undefined
    this.#head = []
    this.#headBytes = 0
    this.#start = this.#offset + end + 1
  }

  #reject({ message, code }: DocumentFault, rest: Buffer, end: number): void {
    const digest = createHash('sha256')
    for (const bytes of this.#head) digest.update(bytes)
    const offset = this.#offset + end
    this.#builder.skip(
      {
        code,
        length: offset - this.#start,
        digest: digest.update(rest).digest('hex'),
        detail: `the document on this line ${message}; records before the damage were read`,
      },
      { offset, open: false },
    )
  }

  #keepHead(input: Buffer): void {
    const start = Math.max(0, this.#start - this.#offset)
    const more = input.subarray(start, start + Math.max(0, MAX_HEAD - this.#headBytes))
    if (more.length === 0) return
    this.#head.push(Buffer.from(more))
    this.#headBytes += more.length
  }

  #skipNulBytes(part: Buffer, start: number): number {
    let end = start + 1
    while (part[end] === NUL) end++
    this.stray.nulBytes += end - start
    this.#isPadded = true
    return end
  }
}

/** Bytes of a line that are kept for its digest, besides those after the damage. */
const MAX_HEAD = 64 * 1024

const CUT_SHORT = 'was cut short: its JSON does not end'
const EMPTY = Buffer.alloc(0)

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB
}
