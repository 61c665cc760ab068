import { randomUUID } from 'node:crypto'
import { createReadStream, readFileSync, rmSync } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import path from 'node:path'

/**
 * The bytes of an object or a part, as ranges of blobs, so that completing and copying move no
 * bytes. Contents are reference-counted: retain one to keep it, release it to drop it. A blob
 * without references deletes its file.
 */
export type Content = readonly Segment[]

interface Segment {
  readonly blob: Blob
  readonly start: number
  readonly end: number
}

interface Blob {
  readonly size: number
  read(start: number, end: number): Iterable<Buffer> | AsyncIterable<Buffer>
  readSync(start: number, end: number): Buffer
  retain(): void
  release(): void
}

export interface ContentWriter {
  write(bytes: Buffer): void | Promise<void>
  /** The caller holds the first reference of the content. */
  finish(): Promise<Content>
  discard(): Promise<void>
}

/** Bodies go to memory, or to files in `folder`. */
export function createContentWriter(folder: string | undefined): ContentWriter {
  return folder === undefined ? memoryWriter() : fileWriter(folder)
}

export function contentSize(content: Content): number {
  return content.reduce((size, segment) => size + segment.end - segment.start, 0)
}

export function sliceContent(content: Content, start: number, end: number): Content {
  let offset = 0
  return content.flatMap((segment) => {
    const first = Math.max(segment.start, segment.start + start - offset)
    const last = Math.min(segment.end, segment.start + end - offset)
    offset += segment.end - segment.start
    return first < last ? [{ blob: segment.blob, start: first, end: last }] : []
  })
}

export async function* readContent(content: Content): AsyncGenerator<Buffer> {
  for (const { blob, start, end } of content) yield* blob.read(start, end)
}

export function contentBytes(content: Content): Buffer {
  return Buffer.concat(content.map(({ blob, start, end }) => blob.readSync(start, end)))
}

export function retain(content: Content): void {
  for (const { blob } of content) blob.retain()
}

export function release(content: Content): void {
  for (const { blob } of content) blob.release()
}

/** Bytes that are made when they are read. The caller holds no reference. */
export function madeContent(size: number, read: (start: number, end: number) => Iterable<Buffer>): Content {
  const readSync = (start: number, end: number): Buffer => Buffer.concat([...read(start, end)])
  return whole({ size, read, readSync, retain: () => undefined, release: () => undefined })
}

function memoryWriter(): ContentWriter {
  const chunks: Buffer[] = []
  return {
    write: (bytes) => void chunks.push(bytes),
    finish: () => Promise.resolve(whole(memoryBlob(chunks))),
    discard: () => Promise.resolve(),
  }
}

function memoryBlob(chunks: readonly Buffer[]): Blob {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  function* read(start: number, end: number): Generator<Buffer> {
    let offset = 0
    for (const chunk of chunks) {
      if (offset >= end) return
      if (offset + chunk.length > start) yield chunk.subarray(Math.max(0, start - offset), end - offset)
      offset += chunk.length
    }
  }
  return {
    size,
    read,
    readSync: (start, end) => Buffer.concat([...read(start, end)]),
    retain: () => undefined,
    release: () => undefined,
  }
}

function fileWriter(folder: string): ContentWriter {
  const file = path.join(folder, `${randomUUID()}.body`)
  const opened = mkdir(folder, { recursive: true }).then(() => open(file, 'wx'))
  let size = 0
  return {
    async write(bytes) {
      const handle = await opened
      await handle.writeFile(bytes)
      size += bytes.length
    },
    async finish() {
      await (await opened).close()
      const blob = new FileBlob(file, size)
      // An empty blob has no references.
      if (size === 0) blob.release()
      return whole(blob)
    },
    async discard() {
      await (await opened).close()
      await rm(file, { force: true })
    },
  }
}

class FileBlob implements Blob {
  readonly size: number
  readonly #file: string
  #keepers = 1

  constructor(file: string, size: number) {
    this.#file = file
    this.size = size
  }

  read(start: number, end: number): AsyncIterable<Buffer> {
    return createReadStream(this.#file, { start, end: end - 1, highWaterMark: 256 * 1024 })
  }

  readSync(start: number, end: number): Buffer {
    return readFileSync(this.#file).subarray(start, end)
  }

  retain(): void {
    this.#keepers++
  }

  release(): void {
    if (--this.#keepers === 0) rmSync(this.#file, { force: true })
  }
}

function whole(blob: Blob): Content {
  return blob.size === 0 ? [] : [{ blob, start: 0, end: blob.size }]
}
