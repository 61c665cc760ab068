import type { ReadOptions } from '../../component.ts'
import { detectCompression } from '../../compression/detect.ts'
import { asSluiceError } from '../../errors.ts'
import type { Chunk } from '../../record/chunk.ts'
import type { ContentSettings } from '../content/position.ts'
import { chunkOf, noteStray, readContent } from '../content/read-content.ts'
import { nameOf } from './get-range.ts'
import type { ObjectPosition } from './position.ts'
import type { Store } from './store.ts'
import type { Task } from './tasks.ts'

interface ObjectChunk {
  readonly chunk: Chunk
  /** Where reading the object resumes after the chunk, if it can. */
  readonly position: ObjectPosition | undefined
  /** The chunk ends the object. */
  readonly isLast: boolean
}

interface Reading {
  readonly partition: string
  readonly content: ContentSettings
  readonly options: ReadOptions
  /** Lines are counted from this byte on. */
  readonly linesFrom?: number
}

/** Decompresses and splits one object. Its bytes are complete, since objects never grow. */
export async function* readObject(
  store: Store,
  { object, from }: Pick<Task, 'object' | 'from'>,
  read: (offset: number) => AsyncIterable<Buffer>,
  { partition, content: settings, options, linesFrom }: Reading,
): AsyncGenerator<ObjectChunk, void> {
  const name = nameOf(store, object.key)
  const origin = linesFrom === undefined ? name : `${name} from byte ${linesFrom}`
  let sourceBytes = 0
  let reached = 0
  const counted = async function* (offset: number, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let at = offset
    for await (const chunk of bytes) {
      at += chunk.length
      sourceBytes += Math.max(0, at - Math.max(reached, at - chunk.length))
      reached = Math.max(reached, at)
      yield chunk
    }
  }
  const opened = await openContent(object, from, read)
  const stored = {
    name,
    compression: opened.compression,
    from: from?.content,
    ending: 'final' as const,
    read: (offset: number) => counted(offset, opened.read(offset)),
  }
  const { signal, maxLine, note } = options
  const reading = {
    ...settings,
    maxLine,
    signal,
    failure: (error: unknown) => asSluiceError(error, 'SOURCE_FAILED', `reading "${name}" failed`),
    onStray: (stray: Parameters<typeof noteStray>[2]) => noteStray(note, { object: name }, stray),
  }
  for await (const { lines, position, last } of readContent(stored, reading)) {
    const { key, etag, bytes } = object
    yield {
      chunk: { ...chunkOf(lines, partition, origin), sourceBytes },
      position: position && {
        key,
        ...(etag !== undefined && { etag }),
        bytes,
        ...(opened.compression && { isCompressed: true }),
        content: position,
      },
      isLast: last,
    }
    sourceBytes = 0
  }
}

/** Detects the compression by the first bytes, which are read once. */
async function openContent(
  { key }: Task['object'],
  from: ObjectPosition | undefined,
  read: (offset: number) => AsyncIterable<Buffer>,
) {
  // A position in plain content: it does not begin at the start.
  if (from?.content !== undefined && from.isCompressed !== true) return { compression: undefined, read }
  const chunks = read(0)[Symbol.asyncIterator]()
  const first = await chunks.next()
  const head = first.done === true ? Buffer.alloc(0) : first.value
  let isFresh = true
  return {
    compression: detectCompression(head, key),
    read(offset: number): AsyncIterable<Buffer> {
      if (!isFresh || offset !== 0) return read(offset)
      isFresh = false
      return joined(head, chunks)
    },
  }
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void> {
  try {
    if (head.length > 0) yield head
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
