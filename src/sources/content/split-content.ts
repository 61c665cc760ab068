import { SluiceError } from '../../errors.ts'
import type { Compression } from '../../compression/detect.ts'
import { Damage } from '../../compression/inflate.ts'
import type { LineChunk, ResumableSplitter } from '../../record/lines/splitter.ts'

interface ContentOptions {
  readonly name: string
  readonly compression: Compression | undefined
  readonly signal: AbortSignal
  readonly ending: Ending
  /** Converts an error of the content. */
  readonly failure: (error: unknown) => SluiceError
  /**
   * After so many milliseconds without input, the whole lines so far are yielded. Default: only when
   * a chunk is full, and at the end.
   */
  readonly idle?: number
}

/**
 * What the end of the content means. `open`: more follows soon, so a last line without a line feed
 * is left for later. `unknown`: it may still grow, so an unfinished last record is left for a later
 * run. `final`: it is complete, so an unfinished record is damaged. An incomplete end of an open
 * content is not an error.
 */
export type Ending = 'open' | 'unknown' | 'final'

export interface ContentChunk {
  readonly lines: LineChunk
  /** The chunk ends the content, and nothing is left after it. */
  readonly last: boolean
  /** The content ends within a record that is left after this chunk. */
  readonly unfinished?: boolean
}

/**
 * Splits the content of an input. Before an error is thrown, all whole lines before it are yielded.
 * @throws SluiceError INPUT_CORRUPT, naming the input, or what `failure` returns.
 */
export async function* splitContent(
  content: AsyncIterable<Buffer>,
  splitter: ResumableSplitter,
  { name, compression, signal, ending, failure, idle }: ContentOptions,
): AsyncGenerator<ContentChunk, void> {
  const chunks = content[Symbol.asyncIterator]()
  try {
    for (;;) {
      const pending = caught(chunks.next())
      if (idle !== undefined && !(await arrives(pending, idle))) {
        for (const lines of splitter.flush()) yield { lines, last: false }
      }
      const next = await pending
      if (signal.aborted) return
      if (next instanceof Rejection) {
        for (const lines of splitter.flush()) yield { lines, last: false }
        if (ending === 'open' && next.reason instanceof Damage && next.reason.cutShort) return
        throw damageError(next.reason, name, compression) ?? failure(next.reason)
      }
      if (next.done === true) break
      for (const lines of splitter.push(next.value)) {
        if (signal.aborted) return
        yield { lines, last: false }
      }
    }
    if (ending === 'open') for (const lines of splitter.flush()) yield { lines, last: false }
    else yield* finish(splitter, ending)
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

/** True if the promise fulfils within so many milliseconds. It must not reject. */
async function arrives(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  try {
    return await Promise.race([promise.then(() => true as const), late])
  } finally {
    clearTimeout(timer)
  }
}

function* finish(splitter: ResumableSplitter, ending: Ending): Generator<ContentChunk, void> {
  const chunks: LineChunk[] = []
  let failure: unknown
  try {
    for (const lines of ending === 'final' ? splitter.end() : splitter.suspend()) chunks.push(lines)
  } catch (error) {
    failure = error
  }
  const isDone = failure === undefined && splitter.left === 'nothing'
  for (const lines of chunks) {
    const isEnd = lines === chunks.at(-1)
    yield { lines, last: isEnd && isDone, unfinished: isEnd && splitter.left === 'record' }
  }
  if (failure !== undefined) throw failure
}

function damageError(error: unknown, name: string, compression: Compression | undefined): SluiceError | undefined {
  if (!(error instanceof Damage) || compression === undefined) return undefined
  const { name: format, byName } = compression
  return new SluiceError('INPUT_CORRUPT', `"${name}" is damaged: as ${format} ${error.message}`, {
    cause: error,
    ...(byName === true && { hint: `it was read as ${format} because of its name` }),
  })
}
