import { SluiceError } from '../errors.ts'
import type { Chunk } from '../record/chunk.ts'
import type { Batch } from '../record/batch.ts'
import { ArraySplitter } from '../record/lines/array-splitter.ts'
import { LineSplitter } from '../record/lines/line-splitter.ts'
import type { LineChunk, Splitter } from '../record/lines/splitter.ts'
import { callBack } from './callbacks.ts'
import { openBatches } from '../record/open-batches.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'

/**
 * How records are written: `ndjson` (default), one per line; `array`, JSON arrays, or objects in
 * sequence, pretty-printed or not.
 */
type WrittenFormat = 'ndjson' | 'array'

/** What a program says about the records that it writes. */
export interface WriteOptions {
  /**
   * How records are written: `ndjson` (default), one per line; `array`, JSON arrays, or objects in
   * sequence, pretty-printed or not.
   */
  readonly format?: WrittenFormat
  /**
   * The low watermark: no record with an older event time is written from now on, in milliseconds
   * since 1970. Asked for each batch. With it and `within`, `dedup` forgets keys that can no longer
   * come; without it, it keeps all. A queue that keeps messages for 14 days:
   * `() => Date.now() - 14 * 86_400_000`.
   */
  readonly lowWatermark?: () => number | undefined
}

interface ByteBatchesOptions {
  readonly format?: WrittenFormat | undefined
  /** See `WriteOptions.lowWatermark`. */
  readonly lowWatermark?: (() => number | undefined) | undefined
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
   * Takes the next parts, and yields the lines that are complete. The caller may overwrite the parts
   * when it has taken all.
   * @throws SluiceError USAGE for anything but bytes and text, INPUT_CORRUPT for text that has half of
   *   a character
   */
  *push(parts: readonly Part[]): Generator<Batch, void> {
    for (const part of parts) {
      const bytes = this.#bytesOf(part)
      this.bytes += bytes.length
      // A large part is not copied at once.
      for (let at = 0; at < bytes.length; at += SLICE_BYTES)
        yield* this.#open(this.#splitter.push(bytes.subarray(at, at + SLICE_BYTES)))
    }
    yield* this.#open(this.#splitter.flush())
  }

  /** Ends the input. The last line needs no line feed. */
  *end(): Generator<Batch, void> {
    if (this.#half !== '') throw halfCharacter()
    yield* this.#open(this.#splitter.end())
  }

  #bytesOf({ chunk, encoding = 'utf8' }: Part): Buffer {
    if (typeof chunk !== 'string' || !/^utf-?8$/i.test(encoding)) {
      const bytes = bytesIn(chunk, encoding)
      // The other half can only come in a text.
      if (this.#half !== '' && bytes.length > 0) throw halfCharacter()
      return bytes
    }
    let text = this.#half + chunk
    this.#half = HIGH_SURROGATE.exec(text)?.[0] ?? ''
    text = text.slice(0, text.length - this.#half.length)
    // Buffer.from would write U+FFFD for it.
    if (LONE_SURROGATE.test(text)) throw halfCharacter()
    return Buffer.from(text)
  }

  *#open(chunks: Iterable<LineChunk>): Generator<Batch, void> {
    const { partition, origin, paths, limits } = this.#options
    for (const { bytes, line, skipped } of chunks) {
      if (bytes.length === 0 && skipped.length === 0) continue
      const chunk = { bytes, skipped, origin: { name: origin, line }, ...this.#progress() }
      yield* openBatches(chunk, { partition, number: this.#number++, paths, limits })
    }
  }

  /** A low watermark counts with a position only. */
  #progress(): Pick<Chunk, 'lowWatermark' | 'position'> {
    const lowWatermark = callBack('lowWatermark', this.#options.lowWatermark)
    if (lowWatermark === undefined) return {}
    const time = new Date(lowWatermark)
    // For people, in `sluice state show`.
    if (!Number.isNaN(time.getTime())) return { lowWatermark, position: { lowWatermark: time.toISOString() } }
    throw new SluiceError('USAGE', `lowWatermark returned ${String(lowWatermark)}`, {
      hint: 'return milliseconds since 1970, or undefined if it is not known',
    })
  }
}

/** @throws SluiceError USAGE */
function bytesIn(chunk: unknown, encoding: BufferEncoding): Buffer {
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding)
  throw notBytes(chunk)
}

/** As much as fills a few batches. */
const SLICE_BYTES = 1 << 20

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
