import {
  CONTENT_FACTOR_0,
  CONTENT_FACTOR_1,
  CONTENT_FACTOR_2,
  CONTENT_FACTOR_3,
  CONTENT_SEED,
  MURMUR_1,
  MURMUR_2,
  RECORD_BYTES,
} from './constants'
import { COLUMNS, INPUT, RECORDS } from './layout'

/**
 * SipHash-2-4 with 128 bits of output, as in `src/record/digest.ts`, which is the reference. The
 * messages follow one another in `INPUT`; `RECORDS` has the end of each, relative to `INPUT`.
 * Writes 16 bytes per message to `COLUMNS`.
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
    // One loop for the words of the message, the last word (with the length on top) and both halves
    // of the output.
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

/**
 * `contentHash` of `src/record/digest.ts` for the records in `RECORDS`; `INPUT` has the bytes from
 * `origin` on. Writes 4 bytes per record to `COLUMNS`.
 */
export function hashContents(count: u32, origin: usize): void {
  const zero = INPUT - origin
  for (let number: usize = 0; number < count; number++) {
    const record = RECORDS + number * RECORD_BYTES
    let at = zero + load<u32>(record)
    const end = zero + load<u32>(record, 4)
    let one = i32x4.replace_lane(i32x4.splat(CONTENT_SEED), 0, <i32>(end - at))
    let two = i32x4.splat(CONTENT_SEED)
    let three = two
    let four = two
    for (; at + 64 <= end; at += 64) {
      one = step(one, v128.load(at))
      two = step(two, v128.load(at, 16))
      three = step(three, v128.load(at, 32))
      four = step(four, v128.load(at, 48))
    }
    if (at < end) one = step(one, loadBefore(at, end))
    if (at + 16 < end) two = step(two, loadBefore(at + 16, end))
    if (at + 32 < end) three = step(three, loadBefore(at + 32, end))
    if (at + 48 < end) four = step(four, loadBefore(at + 48, end))
    const mixed = i32x4.add(
      i32x4.add(times(one, CONTENT_FACTOR_0), times(two, CONTENT_FACTOR_1)),
      i32x4.add(times(three, CONTENT_FACTOR_2), times(four, CONTENT_FACTOR_3)),
    )
    const lanes = i32x4.mul(
      v128.xor(mixed, i32x4.shr_u(mixed, 15)),
      i32x4(CONTENT_FACTOR_0, CONTENT_FACTOR_1, CONTENT_FACTOR_2, CONTENT_FACTOR_3),
    )
    const sum =
      i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3)
    store<u32>(COLUMNS + (number << 2), mix(<u32>sum))
  }
}

@inline
function times(lanes: v128, factor: i32): v128 {
  return i32x4.mul(lanes, i32x4.splat(factor))
}

@inline
function step(lanes: v128, words: v128): v128 {
  const mixed = v128.xor(lanes, words)
  return i32x4.mul(v128.xor(mixed, i32x4.shr_u(mixed, 15)), i32x4.splat(CONTENT_FACTOR_0))
}

/** Loads 16 bytes; bytes from `end` on are zero. */
@inline
function loadBefore(at: usize, end: usize): v128 {
  const bytes = v128.load(at)
  if (at + 16 <= end) return bytes
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  return v128.and(bytes, i8x16.lt_u(places, i8x16.splat(<i8>(end - at))))
}

/** The finalizer of MurmurHash3. */
@inline
function mix(hash: u32): u32 {
  const half = (hash ^ (hash >>> 16)) * MURMUR_1
  const whole = (half ^ (half >>> 13)) * MURMUR_2
  return whole ^ (whole >>> 16)
}
