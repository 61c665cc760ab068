import { SluiceError } from '../errors.ts'
import type { Batch } from '../record/batch.ts'
import { ArraySplitter } from '../record/lines/array-splitter.ts'
import { LineSplitter } from '../record/lines/line-splitter.ts'
import type { LineChunk, Splitter } from '../record/lines/splitter.ts'
import { openBatches } from '../record/open-batches.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'

/**
 * How records are written: `ndjson` (default), one per line; `array`, JSON arrays, or objects in
 * sequence, pretty-printed or not.
 */
export type WrittenFormat = 'ndjson' | 'array'

interface ByteBatchesOptions {
  readonly format?: WrittenFormat | undefined
  /** Source partition of the batches. */
  readonly partition: string
  /** Name of the input, for rejects. */
  readonly origin: string
  readonly paths: Paths
  readonly limits: ScanLimits
}

/** A part of the input: bytes, or text in an encoding. */
export interface Part {
  readonly chunk: unknown
  readonly encoding?: BufferEncoding | undefined
}

/**
 * NDJSON that somebody writes, as bytes or text in parts of any size, as batches. They have no
 * position: only the writer knows where it could begin again.
 */
export class ByteBatches {
  /** Bytes taken so far. */
  bytes = 0
  readonly #options: ByteBatchesOptions
  readonly #splitter: Splitter
  #number = 0
  /** The first half of a character that a text was cut in. */
  #half = ''

  constructor(options: ByteBatchesOptions) {
    this.#options = options
    this.#splitter = splitterOf(options)
  }

  /**
   * Takes the next parts, and returns the lines that are complete. The caller may overwrite the parts
   * then.
   * @throws SluiceError USAGE for anything but bytes and text, INPUT_CORRUPT for text that has half of
   *   a character
   */
  push(parts: readonly Part[]): Batch[] {
    const chunks: LineChunk[] = []
    for (const part of parts) {
      const bytes = this.#bytesOf(part)
      this.bytes += bytes.length
      chunks.push(...this.#splitter.push(bytes))
    }
    return this.#open([...chunks, ...this.#splitter.flush()])
  }

  /** Ends the input. The last line needs no line feed. */
  end(): Batch[] {
    if (this.#half !== '') throw halfCharacter()
    return this.#open([...this.#splitter.end()])
  }

  #bytesOf({ chunk, encoding = 'utf8' }: Part): Buffer {
    if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (typeof chunk !== 'string') throw notBytes(chunk)
    if (!/^utf-?8$/i.test(encoding)) return Buffer.from(chunk, encoding)
    let text = this.#half + chunk
    this.#half = HIGH_SURROGATE.exec(text)?.[0] ?? ''
    text = text.slice(0, text.length - this.#half.length)
    // Buffer.from would write U+FFFD for it.
    if (LONE_SURROGATE.test(text)) throw halfCharacter()
    return Buffer.from(text)
  }

  #open(chunks: readonly LineChunk[]): Batch[] {
    const { partition, origin, paths, limits } = this.#options
    return chunks.flatMap(({ bytes, line, skipped }) => {
      if (bytes.length === 0 && skipped.length === 0) return []
      const chunk = { bytes, skipped, origin: { name: origin, line } }
      return openBatches(chunk, { partition, number: this.#number++, paths, limits })
    })
  }
}

/** @throws SluiceError USAGE */
function splitterOf({ format = 'ndjson', limits: { maxLine } }: ByteBatchesOptions): Splitter {
  if (format === 'ndjson') return new LineSplitter({ maxLine })
  if (format === 'array') return new ArraySplitter({ name: 'the input', maxLine })
  throw new SluiceError('USAGE', 'format must be ndjson or array')
}

const HIGH_SURROGATE = /[\ud800-\udbff]$/
const LONE_SURROGATE = /\p{Surrogate}/u

function halfCharacter(): SluiceError {
  return new SluiceError('INPUT_CORRUPT', 'the text has half of a character: a surrogate without its other half', {
    hint: 'pass bytes, or cut text between characters only',
  })
}

function notBytes(chunk: unknown): SluiceError {
  const what = chunk === null ? 'null' : typeof chunk === 'object' ? 'an object' : `a ${typeof chunk}`
  return new SluiceError('USAGE', `expected records as bytes or text, got ${what}`, {
    hint: 'put fromObjects() before it: it writes objects as NDJSON',
  })
}
