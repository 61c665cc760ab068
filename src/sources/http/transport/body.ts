import type { Readable } from 'node:stream'
import { SluiceError } from '../../../errors.ts'
import { brotli, gzip } from '../../../compression/detect.ts'
import type { Compression } from '../../../compression/detect.ts'
import { Damage, inflate } from '../../../compression/inflate.ts'
import { formatSize } from '../../../fields/units.ts'
import { SECOND } from '../../../time.ts'
import type { Deadline } from './deadline.ts'
import { invalidResponse } from './response-error.ts'

export interface Body {
  readonly chunks: AsyncIterable<Buffer>
  /** Bytes received so far, as compressed. */
  wireBytes(): number
}

/**
 * Streams the decompressed body of a response, limited in size and compression ratio. A reader that
 * stops also stops the socket: only stream buffers are filled ahead.
 * @throws SluiceError while reading: SOURCE_UNAVAILABLE if the body is cut short or damaged,
 * SOURCE_FAILED if it exceeds a limit.
 */
export function openBody(raw: Readable, encoding: string | undefined, maxBytes: number): Body {
  let wire = 0
  let inflated = 0

  async function* countWire(): AsyncGenerator<Buffer> {
    for await (const chunk of raw as AsyncIterable<Buffer>) {
      wire += chunk.length
      yield chunk
    }
  }

  async function* read(): AsyncGenerator<Buffer> {
    try {
      const compression = compressionOf(encoding)
      for await (const chunk of compression === undefined ? countWire() : inflate(countWire(), compression)) {
        inflated += chunk.length
        checkSize(inflated, wire, maxBytes)
        yield chunk
      }
      if (compression !== undefined && wire === 0)
        throw invalidResponse(`the response was cut short: ${compression.name} data cannot be empty`)
    } catch (error) {
      throw readError(error)
    } finally {
      discard(raw)
    }
  }

  return { chunks: read(), wireBytes: () => wire }
}

/**
 * The start of a body as text, for a message: at most 64 KiB, and what arrives within 10 s. Never
 * fails: the status counts more than the message. Closes the rest.
 */
export async function readStart(raw: Readable, encoding: string | undefined, deadline: Deadline): Promise<string> {
  const parts: Buffer[] = []
  const read = async (): Promise<void> => {
    let size = 0
    for await (const chunk of openBody(raw, encoding, Infinity).chunks) {
      parts.push(chunk)
      size += chunk.length
      if (size >= MAX_START) return
    }
  }
  await deadline.waitAtMost(MAX_START_WAIT, read()).catch(ignore)
  discard(raw)
  return Buffer.concat(parts).subarray(0, MAX_START).toString()
}

/**
 * A short body as text, such as a count or a token.
 * @throws SluiceError SOURCE_UNAVAILABLE if it is not complete, or has more than 1 MiB.
 */
export async function readShort(raw: Readable, encoding: string | undefined): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const chunk of openBody(raw, encoding, Infinity).chunks) {
    parts.push(chunk)
    size += chunk.length
    if (size > MAX_SHORT) throw invalidResponse(`the response has more than ${formatSize(MAX_SHORT)}`)
  }
  return Buffer.concat(parts).toString()
}

/** Closes a body that is not read. An error without a listener would end the process. */
export function discard(raw: Readable): void {
  raw.on('error', ignore).destroy()
}

const MAX_START = 64 * 1024
/** In milliseconds. */
const MAX_START_WAIT = 10 * SECOND
const MAX_SHORT = 1024 * 1024

/** Gzip reaches 1028:1; JSON of real events stays below 60:1. */
const MAX_RATIO = 200
/** Smaller bodies may have any ratio. In bytes. */
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
      throw invalidResponse(`the response has the content-encoding "${encoding}", which was not requested`)
  }
}

/** The reader of a stream gets the same error. */
function ignore(): void {}

function checkSize(inflated: number, wire: number, maxBytes: number): void {
  if (inflated > maxBytes)
    throw new SluiceError(
      'SOURCE_FAILED',
      `a response has more than ${maxBytes} bytes: request smaller pages, or raise maxBody`,
    )
  if (inflated > RATIO_FROM && inflated > wire * MAX_RATIO)
    throw new SluiceError(
      'SOURCE_FAILED',
      `a response decompresses to more than ${MAX_RATIO} times its size: it looks like a compression bomb`,
    )
}

function readError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  if (error instanceof Damage) return invalidResponse(`the response is damaged: ${error.message}`, error)
  return invalidResponse(`the response was cut short: ${error instanceof Error ? error.message : String(error)}`, error)
}
