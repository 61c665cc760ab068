import type { Compression, Inflater } from './detect.ts'

/**
 * Decompresses concatenated streams until the input ends. Zeros between and after the streams are
 * padding; zlib itself ends silently at such zeros, and after the first stream of brotli. All
 * output of one input chunk is yielded before the next chunk is requested, so the reader may
 * overwrite the input chunk.
 * @throws Damage
 */
export async function* inflate(chunks: AsyncIterable<Buffer>, compression: Compression): AsyncGenerator<Buffer> {
  let offset = 0
  let engine: Engine | undefined
  try {
    for await (const chunk of chunks) {
      let at = 0
      while (at < chunk.length) {
        if (engine === undefined && chunk[at] === 0 && offset > 0) {
          at++
          offset++
          continue
        }
        engine ??= new Engine(compression.create(), offset)
        yield* engine.write(chunk.subarray(at))
        at += engine.offset - offset
        offset = engine.offset
        if (engine.ended) engine = engine.close()
      }
    }
    if (engine !== undefined) yield* engine.finish(compression.probe)
  } finally {
    engine?.close()
  }
}

/** The input is damaged. All output before the damage was yielded. */
export class Damage extends Error {
  /** Bytes of input before the damage, as far as known. */
  readonly offset: number
  /** True if the input is truncated and otherwise correct. */
  readonly cutShort: boolean

  constructor({ offset, cutShort, cause }: { offset: number; cutShort: boolean; cause?: unknown }) {
    super(cutShort ? `it is cut short at byte ${offset}` : `it is damaged near byte ${offset}`, { cause })
    this.offset = offset
    this.cutShort = cutShort
  }
}

/** Drives one zlib stream by hand: `pipeline` would drop output that precedes an error. */
class Engine {
  readonly #stream: Inflater
  readonly #start: number
  #failure: unknown
  #written = false
  #ended = false
  #wake: (() => void) | undefined

  constructor(stream: Inflater, start: number) {
    this.#stream = stream
    this.#start = start
    stream.on('readable', () => this.#wake?.())
    stream.on('end', () => {
      this.#ended = true
      this.#wake?.()
    })
    stream.on('error', (error) => {
      this.#failure = error
      this.#wake?.()
    })
  }

  /** Input bytes consumed so far, including those of earlier streams. */
  get offset(): number {
    return this.#start + this.#stream.bytesWritten
  }

  /** The stream is complete and accepts no more input. */
  get ended(): boolean {
    return this.#ended
  }

  async *write(bytes: Buffer): AsyncGenerator<Buffer> {
    const offset = this.offset
    this.#written = false
    this.#stream.write(bytes, () => {
      this.#written = true
      this.#wake?.()
    })
    yield* this.#drain(offset)
  }

  async *finish(probe: Compression['probe']): AsyncGenerator<Buffer> {
    const offset = this.offset
    if (probe !== undefined) await this.#checkComplete(probe, offset)
    this.#written = false
    this.#stream.end()
    yield* this.#drain(offset)
  }

  close(): undefined {
    this.#stream.destroy()
  }

  async #checkComplete({ input, output }: NonNullable<Compression['probe']>, offset: number): Promise<void> {
    const parts: Buffer[] = []
    try {
      for await (const part of this.write(input)) parts.push(part)
    } catch (cause) {
      throw new Damage({ offset, cutShort: true, cause })
    }
    if (!Buffer.concat(parts).equals(output)) throw new Damage({ offset, cutShort: true })
  }

  /** Yields output until the input is consumed or the stream ends. */
  async *#drain(offset: number): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk: Buffer | null = this.#stream.read()
      if (chunk !== null) {
        yield chunk
        continue
      }
      if (this.#failure !== undefined) {
        throw new Damage({ offset, cutShort: isUnexpectedEnd(this.#failure), cause: this.#failure })
      }
      if (this.#written || this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function isUnexpectedEnd(failure: unknown): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === 'Z_BUF_ERROR'
}
