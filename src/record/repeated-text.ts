import { Edit } from './edits.ts'
import type { Batch } from './batch.ts'
import { HIT_STRIDE, Kind } from './scan.ts'

/** `batch.text(hit)`, faster for short texts that come again and again, such as names of fields. */
export function repeatedText(batch: Batch, hit: number): string {
  const { hits } = batch.index
  const start = hits[HIT_STRIDE * hit + 2] + 1
  const length = hits[HIT_STRIDE * hit + 3] - 1 - start
  const isPlain = batch.edits[hit] === Edit.keep && hits[HIT_STRIDE * hit] >>> 16 === Kind.string
  if (!isPlain || length > MAX_LENGTH || length === 0) return batch.text(hit)
  const { bytes } = batch
  const slot = slotOf(bytes, start, length)
  const at = slot * MAX_LENGTH
  if (lengths[slot] === length) {
    let same = 0
    while (same < length && spelled[at + same] === bytes[start + same]) same++
    if (same === length) return texts[slot]
  }
  lengths[slot] = length
  for (let i = 0; i < length; i++) spelled[at + i] = bytes[start + i]
  return (texts[slot] = bytes.toString('utf8', start, start + length))
}

const MAX_LENGTH = 32
const SLOTS = 512

/** By slot: the text that was there last, how long it is in bytes, and these. */
const texts = Array.from({ length: SLOTS }, () => '')
const lengths = new Uint8Array(SLOTS)
const spelled = new Uint8Array(SLOTS * MAX_LENGTH)

function slotOf(bytes: Buffer, start: number, length: number): number {
  const sum = bytes[start] + bytes[start + (length >> 1)] * 31 + bytes[start + length - 1] * 997 + length * 131
  return sum & (SLOTS - 1)
}
