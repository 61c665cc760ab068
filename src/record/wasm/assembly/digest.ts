import { COLUMNS, INPUT, RECORDS, RECORD_BYTES } from './layout'

/**
 * SipHash-2-4 with 128 bits, as in digest.ts, which is the one to read. The messages stand one behind the other in `INPUT`, where each ends (from
 * its beginning) in `RECORDS`; 16 bytes for each go to `COLUMNS`.
 */
export function hashMessages(count: u32, k0: u64, k1: u64): void {
  let at = INPUT
  let output = COLUMNS
  for (let message: usize = 0; message < count; message++) {
    const end = INPUT + load<u32>(RECORDS + (message << 2))
    const top = <u64>(end - at) << 56
    let v0 = k0 ^ 0x736f6d6570736575
    let v1 = k1 ^ 0x646f72616e646f6d ^ 0xee
    let v2 = k0 ^ 0x6c7967656e657261
    let v3 = k1 ^ 0x7465646279746573
    let phase: u32 = WORDS
    // One loop for the message's words, the last one (with the length on top) and both halves of the output.
    do {
      let word: u64 = 0
      let rounds: u32 = 2
      if (phase == WORDS) {
        if (end - at >= 8) {
          word = load<u64>(at)
          at += 8
        } else {
          word = top | (load<u64>(at) & (((<u64>1) << ((end - at) << 3)) - 1))
          at = end
          phase = FIRST_HALF
        }
      } else {
        rounds = 4
        if (phase == FIRST_HALF) v2 ^= 0xee
        else v1 ^= 0xdd
        phase++
      }
      v3 ^= word
      do {
        v0 += v1
        v1 = rotl(v1, 13) ^ v0
        v0 = rotl(v0, 32)
        v2 += v3
        v3 = rotl(v3, 16) ^ v2
        v0 += v3
        v3 = rotl(v3, 21) ^ v0
        v2 += v1
        v1 = rotl(v1, 17) ^ v2
        v2 = rotl(v2, 32)
        rounds--
      } while (rounds > 0)
      v0 ^= word
      if (phase > FIRST_HALF) {
        store<u64>(output, v0 ^ v1 ^ v2 ^ v3)
        output += 8
      }
    } while (phase < DONE)
  }
}

const WORDS: u32 = 0
const FIRST_HALF: u32 = 1
const DONE: u32 = 3

/** `contentHash` of digest.ts for the records in `RECORDS`; `INPUT` holds the bytes from `origin` on. 4 bytes for each go to `COLUMNS`. */
export function hashContents(count: u32, origin: usize): void {
  const zero = INPUT - origin
  for (let number: usize = 0; number < count; number++) {
    const record = RECORDS + number * RECORD_BYTES
    let at = zero + load<u32>(record)
    const end = zero + load<u32>(record, 4)
    let one = <u32>(end - at)
    let two: u32 = 0x243f6a88
    let three: u32 = 0x85a308d3
    let four: u32 = 0x13198a2e
    for (; at + 16 <= end; at += 16) {
      one = (rotl(one, 5) ^ load<u32>(at)) * 0x9e3779b1
      two = (rotl(two, 5) ^ load<u32>(at, 4)) * 0x85ebca77
      three = (rotl(three, 5) ^ load<u32>(at, 8)) * 0xc2b2ae3d
      four = (rotl(four, 5) ^ load<u32>(at, 12)) * 0x27d4eb2f
    }
    let hash = mix(mix(mix(mix(one) ^ two) ^ three) ^ four)
    for (; at + 4 <= end; at += 4) hash = mix(hash ^ load<u32>(at))
    if (at < end) hash = mix(hash ^ (load<u32>(at) & ((1 << ((<u32>(end - at)) << 3)) - 1)))
    store<u32>(COLUMNS + (number << 2), mix(hash))
  }
}

/** The finalizer of MurmurHash3. */
@inline
function mix(hash: u32): u32 {
  const half = (hash ^ (hash >>> 16)) * 0x85ebca6b
  const whole = (half ^ (half >>> 13)) * 0xc2b2ae35
  return whole ^ (whole >>> 16)
}
