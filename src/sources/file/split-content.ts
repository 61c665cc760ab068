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
 * The runs of an input's content; `last` is true for the one that ends a complete input. An error is thrown behind all that is whole before it.
 * @throws SluiceError INPUT_CORRUPT, FILE_NOT_FOUND or SOURCE_FAILED, naming the input.
 */
export async function* splitContent(
  content: AsyncIterable<Buffer>,
  splitter: Splitter,
  { name, compression, signal, growing }: ContentOptions,
): AsyncGenerator<{ run: LineChunk; last: boolean }, void> {
  const chunks = content[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await settle(chunks.next())
      if (signal.aborted) return
      if (next instanceof Failure) {
        for (const run of splitter.flush()) yield { run, last: false }
        if (growing && next.reason instanceof Damage && next.reason.cutShort) return
        throw contentError(next.reason, name, compression)
      }
      if (next.done === true) break
      for (const run of splitter.push(next.value)) yield { run, last: false }
    }
    if (growing) for (const run of splitter.flush()) yield { run, last: false }
    else yield* finish(splitter)
  } finally {
    await chunks.return?.()
  }
}

/** A rejection as a value: a `catch` around a `yield` would also catch what the reader throws in. */
class Failure {
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

function settle<T>(promise: Promise<T>): Promise<T | Failure> {
  return promise.catch((reason: unknown) => new Failure(reason))
}

function* finish(splitter: Splitter): Generator<{ run: LineChunk; last: boolean }, void> {
  const runs: LineChunk[] = []
  let failure: unknown
  try {
    for (const run of splitter.end()) runs.push(run)
  } catch (error) {
    failure = error
  }
  for (const run of runs) yield { run, last: failure === undefined && run === runs.at(-1) }
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
