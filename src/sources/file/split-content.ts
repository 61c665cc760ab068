import { SluiceError } from '../../errors.ts'
import type { Compression } from '../../compression/detect.ts'
import { Damage } from '../../compression/inflate.ts'
import type { LineChunk, Splitter } from '../../record/lines/splitter.ts'
import { fileError } from './file-error.ts'

interface ContentOptions {
  readonly name: string
  readonly compression: Compression | undefined
  readonly signal: AbortSignal
  /** See `InputOptions`. */
  readonly growing: boolean
}

/**
 * Splits the content of an input. `last` is true for the chunk that ends a complete input. Before
 * an error is thrown, all whole lines before it are yielded.
 * @throws SluiceError INPUT_CORRUPT, FILE_NOT_FOUND or SOURCE_FAILED, naming the input.
 */
export async function* splitContent(
  content: AsyncIterable<Buffer>,
  splitter: Splitter,
  { name, compression, signal, growing }: ContentOptions,
): AsyncGenerator<{ lines: LineChunk; last: boolean }, void> {
  const chunks = content[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await caught(chunks.next())
      if (signal.aborted) return
      if (next instanceof Rejection) {
        for (const lines of splitter.flush()) yield { lines, last: false }
        if (growing && next.reason instanceof Damage && next.reason.cutShort) return
        throw contentError(next.reason, name, compression)
      }
      if (next.done === true) break
      for (const lines of splitter.push(next.value)) yield { lines, last: false }
    }
    if (growing) for (const lines of splitter.flush()) yield { lines, last: false }
    else yield* finish(splitter)
  } finally {
    await chunks.return?.()
  }
}

/**
 * A rejection as a value: a `catch` around a `yield` would also catch errors that the reader throws
 * in.
 */
class Rejection {
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

function caught<T>(promise: Promise<T>): Promise<T | Rejection> {
  return promise.catch((reason: unknown) => new Rejection(reason))
}

function* finish(splitter: Splitter): Generator<{ lines: LineChunk; last: boolean }, void> {
  const chunks: LineChunk[] = []
  let failure: unknown
  try {
    for (const lines of splitter.end()) chunks.push(lines)
  } catch (error) {
    failure = error
  }
  for (const lines of chunks) yield { lines, last: failure === undefined && lines === chunks.at(-1) }
  if (failure !== undefined) throw failure
}

function contentError(error: unknown, name: string, compression: Compression | undefined): SluiceError {
  if (!(error instanceof Damage) || compression === undefined) return fileError(error, name)
  const { name: format, byName } = compression
  return new SluiceError('INPUT_CORRUPT', `"${name}" is damaged: as ${format} ${error.message}`, {
    cause: error,
    ...(byName === true && { hint: `it was read as ${format} because of its name` }),
  })
}
