import type { Compression } from '../../compression/detect.ts'
import { Damage, inflate } from '../../compression/inflate.ts'

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
