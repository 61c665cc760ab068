import { SluiceError } from '../errors.ts'
import type { Batch } from '../record/batch.ts'
import { LineSplitter } from '../record/lines/line-splitter.ts'
import type { LineChunk } from '../record/lines/splitter.ts'
import { openBatches } from '../record/open-batches.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'

interface ByteBatchesOptions {
  /** Source partition of the batches, and the name of their origin. */
  readonly partition: string
  readonly origin: string
  readonly paths: Paths
  readonly limits: ScanLimits
}

/**
 * NDJSON that somebody writes, as bytes or text in parts of any size, as batches. They have no
 * position: only the writer knows where it could begin again.
 */
export class ByteBatches {
  /** Bytes taken so far. */
  bytes = 0
  readonly #options: ByteBatchesOptions
  readonly #splitter: LineSplitter
  #number = 0
  /** The first half of a character that a text was cut in. */
  #half = ''

  constructor(options: ByteBatchesOptions) {
    this.#options = options
    this.#splitter = new LineSplitter({ maxLine: options.limits.maxLine })
  }

  /**
   * Takes the next part, and returns what is complete of it. The caller may overwrite the part then.
   * @throws SluiceError USAGE for anything but bytes and text, INPUT_CORRUPT for text that has half of
   *   a character
   */
  push(part: unknown, encoding?: BufferEncoding): Batch[] {
    const bytes = this.#bytesOf(part, encoding)
    this.bytes += bytes.length
    const chunks = this.#splitter.push(bytes)
    return this.#open([...chunks, ...this.#splitter.flush()])
  }

  /** Ends the input. The last line needs no line feed. */
  end(): Batch[] {
    if (this.#half !== '') throw halfCharacter()
    return this.#open(this.#splitter.end())
  }

  #bytesOf(part: unknown, encoding: BufferEncoding = 'utf8'): Buffer {
    if (part instanceof Uint8Array) return Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    if (typeof part !== 'string') throw notBytes(part)
    if (!/^utf-?8$/i.test(encoding)) return Buffer.from(part, encoding)
    let text = this.#half + part
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

const HIGH_SURROGATE = /[\ud800-\udbff]$/
const LONE_SURROGATE = /\p{Surrogate}/u

function halfCharacter(): SluiceError {
  return new SluiceError('INPUT_CORRUPT', 'the text has half of a character: a surrogate without its other half', {
    hint: 'pass bytes, or cut text between characters only',
  })
}

function notBytes(part: unknown): SluiceError {
  const what = part === null ? 'null' : typeof part === 'object' ? 'an object' : `a ${typeof part}`
  return new SluiceError('USAGE', `expected NDJSON as bytes or text, got ${what}`, {
    hint: 'put fromObjects() before it: it writes objects as NDJSON',
  })
}
