import { Edit } from '../edits.ts'
import type { Batch } from '../batch.ts'
import { HIT_STRIDE, Kind } from '../scan.ts'

/**
 * A test of the text of a hit. It remembers what it said of short texts by their bytes, since names of fields and the like come again and again: so
 * the text itself is rarely made.
 */
export function rememberVerdicts(test: (text: string) => boolean): (batch: Batch, hit: number) => boolean {
  const lengths = new Uint8Array(SLOTS)
  const spelled = new Uint8Array(SLOTS * MAX_LENGTH)
  const answers = new Uint8Array(SLOTS)

  return (batch, hit) => {
    const { bytes, edits, index } = batch
    const { hits } = index
    const start = hits[HIT_STRIDE * hit + 2] + 1
    const length = hits[HIT_STRIDE * hit + 3] - 1 - start
    const isPlain = edits[hit] === Edit.keep && hits[HIT_STRIDE * hit] >>> 16 === Kind.string
    if (!isPlain || length > MAX_LENGTH || length === 0) return test(batch.text(hit))
    const slot = slotOf(bytes, start, length)
    const at = slot * MAX_LENGTH
    if (lengths[slot] === length) {
      let same = 0
      while (same < length && spelled[at + same] === bytes[start + same]) same++
      if (same === length) return answers[slot] === 1
    }
    const answer = test(batch.text(hit))
    lengths[slot] = length
    for (let i = 0; i < length; i++) spelled[at + i] = bytes[start + i]
    answers[slot] = answer ? 1 : 0
    return answer
  }
}

const MAX_LENGTH = 32
/** A text takes the place of another one there. */
const SLOTS = 512

function slotOf(bytes: Buffer, start: number, length: number): number {
  const sum = bytes[start] + bytes[start + (length >> 1)] * 31 + bytes[start + length - 1] * 997 + length * 131
  return sum & (SLOTS - 1)
}
