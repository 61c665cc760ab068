import { Edit } from '../edits.ts'
import type { Batch } from '../batch.ts'
import { HIT_STRIDE, ValueKind } from '../scan.ts'

/**
 * Makes a test of a text into a test of a hit. It caches results for short texts by their bytes,
 * because field names and the like repeat; so the text of a hit is rarely decoded.
 */
export function cachedTest(test: (text: string) => boolean): (batch: Batch, hit: number) => boolean {
  const lengths = new Uint8Array(SLOTS)
  const texts = new Uint8Array(SLOTS * MAX_LENGTH)
  const results = new Uint8Array(SLOTS)

  return (batch, hit) => {
    const { bytes, edits, index } = batch
    const { hits } = index
    const start = hits[HIT_STRIDE * hit + 2] + 1
    const length = hits[HIT_STRIDE * hit + 3] - 1 - start
    const isPlain = edits[hit] === Edit.keep && hits[HIT_STRIDE * hit] >>> 16 === ValueKind.string
    if (!isPlain || length > MAX_LENGTH || length === 0) return test(batch.text(hit))
    const slot = slotOf(bytes, start, length)
    const at = slot * MAX_LENGTH
    if (lengths[slot] === length) {
      let same = 0
      while (same < length && texts[at + same] === bytes[start + same]) same++
      if (same === length) return results[slot] === 1
    }
    const result = test(batch.text(hit))
    lengths[slot] = length
    for (let i = 0; i < length; i++) texts[at + i] = bytes[start + i]
    results[slot] = result ? 1 : 0
    return result
  }
}

const MAX_LENGTH = 32
/** Slots of the cache; a text replaces another text in its slot. */
const SLOTS = 512

function slotOf(bytes: Buffer, start: number, length: number): number {
  const sum = bytes[start] + bytes[start + (length >> 1)] * 31 + bytes[start + length - 1] * 997 + length * 131
  return sum & (SLOTS - 1)
}
