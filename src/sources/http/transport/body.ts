import type { Readable } from 'node:stream'
import { SluiceError } from '../../../errors.ts'
import { brotli, gzip } from '../../../compression/detect.ts'
import type { Compression } from '../../../compression/detect.ts'
import { Damage, inflate } from '../../../compression/inflate.ts'
import { invalidResponse } from './response-error.ts'

export interface Body {
  readonly chunks: AsyncIterable<Buffer>
  /** Bytes that came over the wire so far. */
  wireBytes(): number
}

/**
 * The content of a response as it is read, inflated, and bounded in size and ratio. Nothing is read ahead beyond stream buffers: a
 * reader that stops stops the socket.
 * @throws SluiceError while reading: SOURCE_UNAVAILABLE when it is cut short or damaged, SOURCE_FAILED beyond the limits.
 */
export function openBody(raw: Readable, encoding: string | undefined, maxBytes: number): Body {
  let wire = 0
  let inflated = 0

  async function* count(): AsyncGenerator<Buffer> {
    for await (const chunk of raw as AsyncIterable<Buffer>) {
      wire += chunk.length
      yield chunk
    }
  }

  async function* read(): AsyncGenerator<Buffer> {
    try {
      const compression = compressionOf(encoding)
      for await (const chunk of compression === undefined ? count() : inflate(count(), compression)) {
        inflated += chunk.length
        checkSize(inflated, wire, maxBytes)
        yield chunk
      }
      if (compression !== undefined && wire === 0)
        throw invalidResponse(`the response was cut short: as ${compression.name} it cannot be empty`)
    } catch (error) {
      throw readError(error)
    } finally {
      discard(raw)
    }
  }

  return { chunks: read(), wireBytes: () => wire }
}

/** The text of a short body as far as it is needed for a message; undefined when it cannot be read. Whatever is longer is not read to its end. */
export async function readText(raw: Readable, encoding?: string): Promise<string | undefined> {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of openBody(raw, encoding, Infinity).chunks) {
      parts.push(chunk)
      size += chunk.length
      if (size >= MAX_TEXT) break
    }
  } catch {
    if (size === 0) return undefined
  }
  return Buffer.concat(parts).subarray(0, MAX_TEXT).toString()
}

/** Ends a body that nobody reads. Without a listener its error would end the process. */
export function discard(raw: Readable): void {
  raw.on('error', ignore).destroy()
}

const MAX_TEXT = 64 * 1024

/** Gzip reaches 1028:1; JSON of real events stays below 60:1. */
const MAX_RATIO = 200
/** Below it no ratio matters. */
const RATIO_FROM = 16 * 1024 * 1024

function compressionOf(encoding = 'identity'): Compression | undefined {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return undefined
    case 'gzip':
    case 'x-gzip':
      return gzip
    case 'br':
      return brotli
    default:
      throw invalidResponse(`the response has the content-encoding "${encoding}", which was not asked for`)
  }
}

/** Whoever reads a stream to its end gets the error there. */
function ignore(): void {}

function checkSize(inflated: number, wire: number, maxBytes: number): void {
  if (inflated > maxBytes)
    throw new SluiceError(
      'SOURCE_FAILED',
      `a response has more than ${maxBytes} bytes: ask for smaller pages, or raise maxBody`,
    )
  if (inflated > RATIO_FROM && inflated > wire * MAX_RATIO)
    throw new SluiceError(
      'SOURCE_FAILED',
      `a response inflates to more than ${MAX_RATIO} times its size: this is not data`,
    )
}

function readError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  if (error instanceof Damage) return invalidResponse(`the response is damaged: ${error.message}`, error)
  return invalidResponse(`the response was cut short: ${error instanceof Error ? error.message : String(error)}`, error)
}
