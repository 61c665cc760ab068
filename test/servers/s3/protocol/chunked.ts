import { createHash } from 'node:crypto'
import { S3Error } from './errors.ts'
import type { ChunkSignatures } from './signature.ts'

export interface ChunkedOptions {
  /** Present if the chunks are signed. */
  readonly signatures: ChunkSignatures | undefined
  /** True when the trailers are signed too. */
  readonly signedTrailer: boolean
  /** Called once, after the last byte, with lower-case names. */
  readonly onTrailers: (trailers: ReadonlyMap<string, string>) => void
}

/**
 * Decodes `Content-Encoding: aws-chunked`: `<hex size>[;chunk-signature=<hex>]\r\n<bytes>\r\n`, a
 * chunk of size 0, trailers, an empty line. Yields bytes before the signature of their chunk is
 * checked: nothing may become visible before the end.
 *
 * @throws S3Error IncompleteBody, InvalidChunkSizeError, SignatureDoesNotMatch
 */
export async function* decodeChunked(source: AsyncIterable<Buffer>, options: ChunkedOptions): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source)
  try {
    yield* readChunks(reader, options.signatures)
    options.onTrailers(await readTrailers(reader, options))
    if (!(await reader.ended())) throw incomplete()
  } finally {
    // After an error, the rest of the source must still be read by the caller.
    await reader.letGo()
  }
}

async function* readChunks(reader: ByteReader, signatures: ChunkSignatures | undefined): AsyncGenerator<Buffer> {
  let smallChunkSeen = false
  for (;;) {
    const { size, signature } = parseChunkHeader(await reader.line())
    if (size > 0 && smallChunkSeen) {
      throw new S3Error('InvalidChunkSizeError', 'Only the last chunk is allowed to have a size less than 8192 bytes')
    }
    smallChunkSeen = size < minChunkSize
    const hash = signatures && createHash('sha256')
    for (let left = size; left > 0;) {
      const piece = await reader.take(left)
      left -= piece.length
      hash?.update(piece)
      yield piece
    }
    if (hash) signatures?.chunk(signature, hash.digest('hex'))
    if (size === 0) return
    if ((await reader.line()) !== '') throw incomplete()
  }
}

const minChunkSize = 8192

function parseChunkHeader(line: string): { size: number; signature: string | undefined } {
  const match = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line)
  if (!match) throw incomplete()
  return { size: Number.parseInt(match[1] ?? '', 16), signature: match[2] }
}

async function readTrailers(reader: ByteReader, options: ChunkedOptions): Promise<Map<string, string>> {
  const trailers = new Map<string, string>()
  for (let line = await reader.line(); line !== ''; line = await reader.line()) {
    const colon = line.indexOf(':')
    if (colon < 1) throw incomplete()
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  const signature = trailers.get('x-amz-trailer-signature')
  trailers.delete('x-amz-trailer-signature')
  if (options.signedTrailer) {
    options.signatures?.trailer(signature, [...trailers].map(([name, value]) => `${name}:${value}\n`).join(''))
  }
  return trailers
}

function incomplete(): S3Error {
  return new S3Error('IncompleteBody', 'The request body terminated unexpectedly')
}

class ByteReader {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Between 1 and `max` bytes. */
  async take(max: number): Promise<Buffer> {
    if (this.#rest.length === 0 && !(await this.#fill())) throw incomplete()
    const piece = this.#rest.subarray(0, max)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#rest.toString('latin1', 0, end)
        this.#rest = this.#rest.subarray(end + 2)
        return line
      }
      if (this.#rest.length > maxLineLength || !(await this.#fill())) throw incomplete()
    }
  }

  async ended(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#fill())
  }

  async letGo(): Promise<void> {
    await this.#source.return?.()
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#source.next()
    if (done) return false
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value])
    return true
  }
}

const maxLineLength = 8192
