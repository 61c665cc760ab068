import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import type { Readable } from 'node:stream'

const CHUNK_BYTES = 512 * 1024

/** Chunks that are being read while one is used: so many that the reader rarely waits on a busy machine. */
const AHEAD = 3

/** Buffers that are filled by turns: the next chunks are read while one is used, which is over when the next one is asked for. */
export class ChunkReader {
  readonly #buffers = Array.from({ length: AHEAD + 1 }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES))

  /** @param count Called with the number of bytes of each chunk before it is yielded. */
  async *read(file: FileHandle, from: number, count: (bytes: number) => void): AsyncGenerator<Buffer> {
    let reading: Promise<{ bytesRead: number; buffer: Buffer }>[] = []
    let turn = 0
    let ahead = from
    const readAhead = (): void => {
      const buffer = this.#buffers[turn++ % this.#buffers.length]
      const read = file.read(buffer, 0, CHUNK_BYTES, ahead)
      // Its failure is met in its turn, or is of no interest any more.
      read.catch(() => {})
      reading.push(read)
      ahead += CHUNK_BYTES
    }
    try {
      for (let offset = from; ;) {
        while (reading.length < AHEAD) readAhead()
        const { bytesRead, buffer } = await reading[0]
        if (bytesRead === 0) return
        reading = reading.slice(1)
        offset += bytesRead
        // The file ends here, or did a moment ago: what is read of it further on would leave a gap.
        if (bytesRead < CHUNK_BYTES) {
          await Promise.allSettled(reading)
          reading = []
          ahead = offset
        }
        readAhead()
        count(bytesRead)
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      // Nobody else may get a buffer while it is being filled.
      await Promise.allSettled(reading)
    }
  }
}

/** Standard input or a pipe. Ends with the signal's reason as soon as it aborts. */
export function openStream(name: string, signal: AbortSignal): Readable {
  const stream = name === '-' ? process.stdin : createReadStream(name, { highWaterMark: CHUNK_BYTES })
  return addAbortSignal(signal, stream)
}

/** The first bytes of a stream, and the stream with those bytes still in front. */
export async function peek(
  chunks: AsyncIterable<Buffer>,
  bytes: number,
): Promise<{ head: Buffer; chunks: AsyncGenerator<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < bytes) {
    const next = await iterator.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  return { head, chunks: join(head, iterator) }
}

async function* join(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
