import { constants, createReadStream, openSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import type { Readable } from 'node:stream'
import { fileError } from './file-error.ts'

/** To start a read takes up to 0.1 ms of the main thread, whatever its size. */
const CHUNK_BYTES = 2 * 1024 * 1024

/** Most files of a folder are small, and so is what a file that is followed has grown by. */
const SMALL_BYTES = 64 * 1024

/** Chunks to read ahead. With three, the pipeline rarely waits for the disk on a busy machine. */
const AHEAD = 3

/**
 * Reads files. When a small chunk is full, it reads large ones into a ring of buffers, a few chunks
 * ahead. A chunk is valid until the next one is requested.
 */
export class ChunkReader {
  readonly #small = Buffer.allocUnsafeSlow(SMALL_BYTES)
  /** Allocated when they are needed: V8 collects garbage earlier the more memory there is. */
  readonly #ring: Buffer[] = []

  /**
   * @param count Called with the number of bytes of each chunk before it is yielded.
   * @param end Bytes of the file before the end of the reading.
   */
  async *read(file: FileHandle, from: number, count: (bytes: number) => void, end = Infinity): AsyncGenerator<Buffer> {
    let pending: Promise<{ bytesRead: number; buffer: Buffer }>[] = []
    let next = 0
    let ahead = from
    const startRead = (buffer: Buffer): void => {
      // Of no bytes after the end, which ends the reading.
      const read = file.read(buffer, 0, Math.min(buffer.length, Math.max(0, end - ahead)), ahead)
      // A failure is thrown when its chunk is due, if it still is.
      read.catch(() => {})
      pending.push(read)
      ahead += buffer.length
    }
    const readAhead = (): void => {
      const at = next++ % (AHEAD + 1)
      startRead((this.#ring[at] ??= Buffer.allocUnsafeSlow(CHUNK_BYTES)))
    }
    try {
      for (let offset = from; ;) {
        if (pending.length === 0) startRead(this.#small)
        const [read] = pending.splice(0, 1)
        const { bytesRead, buffer } = await read
        if (bytesRead === 0) return
        offset += bytesRead
        if (bytesRead === buffer.length) {
          while (pending.length < AHEAD) readAhead()
        } else {
          // This was the end of the file. If it has grown since, the chunks read ahead would leave a gap.
          await Promise.allSettled(pending)
          pending = []
          ahead = offset
        }
        count(bytesRead)
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      // No buffer may be reused while a read still fills it.
      await Promise.allSettled(pending)
    }
  }
}

/** Opens standard input or a pipe. Fails with the signal's reason once it aborts. */
export function openStream(name: string, signal: AbortSignal): Readable {
  return addAbortSignal(signal, name === '-' ? process.stdin : openNamed(name))
}

/**
 * A read of a pipe as a file blocks a thread until input comes, and the process cannot end before
 * that, not even by `process.exit`. So a pipe is read as a socket. Opened without waiting, it waits
 * for its first writer on Linux only; on other systems it looks empty until then.
 */
function openNamed(name: string): Readable {
  if (process.platform !== 'linux' || !statSync(name).isFIFO()) {
    return createReadStream(name, { highWaterMark: CHUNK_BYTES })
  }
  try {
    const fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK)
    return new Socket({ fd, readable: true, writable: false })
  } catch (error) {
    throw fileError(error, name)
  }
}

/** The first `bytes` of a stream, and the whole stream, those bytes included. */
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
