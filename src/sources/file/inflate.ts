import type { Compression, Inflater } from './compression.ts'
import { codeOf } from './file-error.ts'

/** The input is damaged, and all that could be inflated before the damage was yielded. */
export class Damage extends Error {
  /** Bytes of the input before the damage, as far as it is known. */
  readonly offset: number
  /** True when nothing is wrong but the end. */
  readonly cutShort: boolean

  constructor({ offset, cutShort, cause }: { offset: number; cutShort: boolean; cause?: unknown }) {
    super(cutShort ? `it is cut short at byte ${offset}` : `it is damaged near byte ${offset}`, { cause })
    this.offset = offset
    this.cutShort = cutShort
  }
}

/**
 * Inflates an input that can be read again. zlib gives nothing of the slice of input in which it finds an error, so a damaged input is
 * inflated again with smaller slices, down to single bytes: then all that lies before the damage comes out.
 * @param skip Inflated bytes to leave out.
 * @throws Damage
 */
export async function* inflateAgain(
  read: () => AsyncIterable<Buffer>,
  compression: Compression,
  skip: number,
): AsyncGenerator<Buffer> {
  let yielded = skip
  let sound = Infinity
  for (const sliceBytes of SLICE_BYTES) {
    let inflated = 0
    try {
      for await (const chunk of inflate(slice(read(), sound, sliceBytes), compression)) {
        const fresh = chunk.subarray(Math.max(0, yielded - inflated))
        inflated += chunk.length
        if (fresh.length === 0) continue
        yielded += fresh.length
        yield fresh
      }
      return
    } catch (error) {
      if (!(error instanceof Damage) || error.cutShort || sliceBytes === 1) throw error
      sound = error.offset
    }
  }
}

/** The first number stands for chunks as they are read. */
const SLICE_BYTES = [Infinity, 512, 1]

async function* slice(chunks: AsyncIterable<Buffer>, from: number, bytes: number): AsyncGenerator<Buffer> {
  let offset = 0
  for await (const chunk of chunks) {
    let at = Math.min(Math.max(0, from - offset), chunk.length)
    if (at > 0) yield chunk.subarray(0, at)
    for (; at < chunk.length; at += bytes) yield chunk.subarray(at, at + bytes)
    offset += chunk.length
  }
}

/**
 * Inflates one stream after another until the input ends; zeros between and behind them are padding. Whatever was inflated of one chunk of
 * input is yielded before the next chunk is asked for, which may then overwrite it.
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

/** One zlib stream, driven by hand: `pipeline` would lose what it has inflated when an error follows. */
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

  /** Input bytes before the first one that was not consumed. */
  get offset(): number {
    return this.#start + this.#stream.bytesWritten
  }

  /** The stream is complete and takes no more. */
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
    if (probe !== undefined) await this.#prove(probe, offset)
    this.#written = false
    this.#stream.end()
    yield* this.#drain(offset)
  }

  close(): undefined {
    this.#stream.destroy()
  }

  async #prove({ input, output }: NonNullable<Compression['probe']>, offset: number): Promise<void> {
    const parts: Buffer[] = []
    try {
      for await (const part of this.write(input)) parts.push(part)
    } catch (cause) {
      throw new Damage({ offset, cutShort: true, cause })
    }
    if (!Buffer.concat(parts).equals(output)) throw new Damage({ offset, cutShort: true })
  }

  /** Yields what comes until the input is consumed or the stream ends. */
  async *#drain(offset: number): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk: Buffer | null = this.#stream.read()
      if (chunk !== null) {
        yield chunk
        continue
      }
      if (this.#failure !== undefined) {
        throw new Damage({ offset, cutShort: codeOf(this.#failure) === 'Z_BUF_ERROR', cause: this.#failure })
      }
      if (this.#written || this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
