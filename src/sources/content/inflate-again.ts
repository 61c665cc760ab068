import type { Compression } from '../../compression/detect.ts'
import { Damage, inflate } from '../../compression/inflate.ts'

/**
 * Decompresses an input that can be read several times. zlib returns nothing from the slice of
 * input in which it finds an error. So a damaged input is decompressed again with smaller slices,
 * down to single bytes, until everything before the damage has been yielded.
 * @param skip Decompressed bytes to skip.
 * @throws Damage
 */
export async function* inflateAgain(
  read: () => AsyncIterable<Buffer>,
  compression: Compression,
  skip: number,
): AsyncGenerator<Buffer> {
  let yielded = skip
  let intact = Infinity
  for (const sliceBytes of SLICE_BYTES) {
    let inflated = 0
    try {
      for await (const chunk of inflate(slice(read(), intact, sliceBytes), compression)) {
        const fresh = chunk.subarray(Math.max(0, yielded - inflated))
        inflated += chunk.length
        if (fresh.length === 0) continue
        yielded += fresh.length
        yield fresh
      }
      return
    } catch (error) {
      if (!(error instanceof Damage) || error.cutShort || sliceBytes === 1) throw error
      intact = error.offset
    }
  }
}

/** Sizes of slices after the intact bytes. Infinity keeps chunks as they are read. */
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
