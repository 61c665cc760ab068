import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import type { Readable } from 'node:stream'

const CHUNK_BYTES = 512 * 1024

/** Two buffers that are filled by turns: the next chunk is read while the last one is used, which is over when the next one is asked for. */
export class ChunkReader {
  readonly #buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)]

  /** @param count Called with the number of bytes of each chunk before it is yielded. */
  async *read(file: FileHandle, from: number, count: (bytes: number) => void): AsyncGenerator<Buffer> {
    let offset = from
    let turn = 0
    let reading = file.read(this.#buffers[0], 0, CHUNK_BYTES, offset)
    try {
      for (;;) {
        const { bytesRead, buffer } = await reading
        if (bytesRead === 0) return
        offset += bytesRead
        turn = 1 - turn
        reading = file.read(this.#buffers[turn], 0, CHUNK_BYTES, offset)
        // Its failure is met in the next turn, or is of no interest any more.
        reading.catch(() => {})
        count(bytesRead)
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      // Nobody else may get the buffer while it is being filled.
      await reading.catch(() => {})
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
