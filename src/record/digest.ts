import { fastScanner } from './fast-scanner.ts'
import { RECORD_STRIDE } from './record-index.ts'
import { WasmDigester } from './wasm/digester.ts'

/**
 * Length of the secret of SipHash. Without the secret, nobody can construct two keys that collide.
 */
export const HASH_KEY_BYTES = 16

/**
 * Computes the digests of all records of a batch in one call, several times as fast as one by one.
 */
export interface Digester {
  /**
   * SipHash-2-4 with 128 bits of output for each of `count` messages. The messages follow one
   * another in `messages`; `ends` has the end of each. Writes four words per message, in the order
   * of the output's bytes (little-endian).
   */
  hashMessages(messages: Uint8Array, ends: Uint32Array, count: number, output: Uint32Array): void
  /** `contentHash` of each record; `records` as in `RecordIndex`. */
  hashContents(bytes: Uint8Array, records: Uint32Array, count: number, output: Uint32Array): void
}

/**
 * Uses the WebAssembly module if it is loaded; the TypeScript code computes the same digests.
 * @param key `HASH_KEY_BYTES` bytes.
 */
export function createDigester(key: Uint8Array): Digester {
  const plain = createPlainDigester(key)
  let digester: WasmDigester | undefined
  const fastDigester = (): WasmDigester | undefined => {
    const scanner = fastScanner(0)
    return scanner && (digester ??= new WasmDigester(scanner.module))
  }
  const words = viewOf(key)
  const halves = [words.getBigUint64(0, true), words.getBigUint64(8, true)] as const
  return {
    hashMessages(messages, ends, count, output) {
      const fast = fastDigester()
      if (fast === undefined) return plain.hashMessages(messages, ends, count, output)
      let done = 0
      while (done < count) {
        const next = fast.hashMessages(halves, messages, ends, done, count, output)
        if (next === done) plain.hashMessage(messages, ends, done, output)
        done = Math.max(next, done + 1)
      }
    },
    hashContents(bytes, records, count, output) {
      const fast = fastDigester()
      if (fast === undefined) return plain.hashContents(bytes, records, count, output)
      let done = 0
      while (done < count) {
        const next = fast.hashContents(bytes, records, done, count, output)
        if (next === done) plain.hashContent(bytes, records, done, output)
        done = Math.max(next, done + 1)
      }
    },
  }
}

/** The digests in TypeScript, also for single messages that are too long for the module. */
export function createPlainDigester(key: Uint8Array) {
  const hash = createSipHash(key)
  const hashMessage = (messages: Uint8Array, ends: Uint32Array, number: number, output: Uint32Array): void => {
    const start = number === 0 ? 0 : ends[number - 1]
    hash(viewOf(messages.subarray(start)), ends[number] - start, output, 4 * number)
  }
  return {
    hashMessage,
    hashContent,
    hashMessages(messages: Uint8Array, ends: Uint32Array, count: number, output: Uint32Array): void {
      for (let number = 0; number < count; number++) hashMessage(messages, ends, number, output)
    },
    hashContents(bytes: Uint8Array, records: Uint32Array, count: number, output: Uint32Array): void {
      for (let number = 0; number < count; number++) hashContent(bytes, records, number, output)
    },
  }
}

function hashContent(bytes: Uint8Array, records: Uint32Array, number: number, output: Uint32Array): void {
  output[number] = contentHash(viewOf(bytes), records[RECORD_STRIDE * number], records[RECORD_STRIDE * number + 1])
}

/**
 * SipHash-2-4 with 128 bits of output, as four 32-bit words in the order of the output's bytes
 * (little-endian).
 */
export type SipHash = (bytes: DataView, length: number, output: Uint32Array, at: number) => void

/** @param key 16 bytes. */
export function createSipHash(key: Uint8Array): SipHash {
  const words = new DataView(key.buffer, key.byteOffset, HASH_KEY_BYTES)
  const k0 = words.getInt32(0, true)
  const k1 = words.getInt32(4, true)
  const k2 = words.getInt32(8, true)
  const k3 = words.getInt32(12, true)

  return (bytes, length, output, at) => {
    const last = length >>> 3
    let v0 = k0 ^ 0x70736575
    let v0h = k1 ^ 0x736f6d65
    let v1 = k2 ^ 0x6e646f6d ^ 0xee
    let v1h = k3 ^ 0x646f7261
    let v2 = k0 ^ 0x6e657261
    let v2h = k1 ^ 0x6c796765
    let v3 = k2 ^ 0x79746573
    let v3h = k3 ^ 0x74656462

    // One loop for the words of the message, the last word (with the length on top) and both halves
    // of the output, so that the round appears only once.
    for (let step = 0; step <= last + 2; step++) {
      let low = 0
      let high = 0
      let rounds = 4
      if (step < last) {
        low = bytes.getInt32(step * 8, true)
        high = bytes.getInt32(step * 8 + 4, true)
        rounds = 2
      } else if (step === last) {
        low = tail(bytes, last * 8, Math.min(length, last * 8 + 4))
        high = tail(bytes, last * 8 + 4, length) | (length << 24)
        rounds = 2
      } else if (step === last + 1) {
        v2 ^= 0xee
      } else {
        v1 ^= 0xdd
      }
      v3 ^= low
      v3h ^= high
      for (let round = 0; round < rounds; round++) {
        let sum = (v0 >>> 0) + (v1 >>> 0)
        v0h = (v0h + v1h + (sum > MAX ? 1 : 0)) | 0
        v0 = sum | 0
        let spare = (v1 << 13) | (v1h >>> 19)
        v1h = ((v1h << 13) | (v1 >>> 19)) ^ v0h
        v1 = spare ^ v0
        spare = v0
        v0 = v0h
        v0h = spare

        sum = (v2 >>> 0) + (v3 >>> 0)
        v2h = (v2h + v3h + (sum > MAX ? 1 : 0)) | 0
        v2 = sum | 0
        spare = (v3 << 16) | (v3h >>> 16)
        v3h = ((v3h << 16) | (v3 >>> 16)) ^ v2h
        v3 = spare ^ v2

        sum = (v0 >>> 0) + (v3 >>> 0)
        v0h = (v0h + v3h + (sum > MAX ? 1 : 0)) | 0
        v0 = sum | 0
        spare = (v3 << 21) | (v3h >>> 11)
        v3h = ((v3h << 21) | (v3 >>> 11)) ^ v0h
        v3 = spare ^ v0

        sum = (v2 >>> 0) + (v1 >>> 0)
        v2h = (v2h + v1h + (sum > MAX ? 1 : 0)) | 0
        v2 = sum | 0
        spare = (v1 << 17) | (v1h >>> 15)
        v1h = ((v1h << 17) | (v1 >>> 15)) ^ v2h
        v1 = spare ^ v2
        spare = v2
        v2 = v2h
        v2h = spare
      }
      v0 ^= low
      v0h ^= high
      if (step > last) {
        const word = at + (step - last - 1) * 2
        output[word] = v0 ^ v1 ^ v2 ^ v3
        output[word + 1] = v0h ^ v1h ^ v2h ^ v3h
      }
    }
  }
}

/**
 * A 32-bit hash of the bytes as they are spelled. It has no key and is not strong: it distinguishes
 * an exact copy of a record from a changed record with the same key.
 *
 * Words of four bytes (little-endian, padded with zeros to a multiple of 16 bytes) go to 16 lanes
 * in turn, because each step depends on the previous step of its lane.
 */
export function contentHash(bytes: DataView, start: number, end: number): number {
  const lanes = new Int32Array(LANES).fill(CONTENT_SEED)
  lanes[0] = end - start
  const words = Math.ceil((end - start) / 16) * 4
  for (let word = 0; word < words; word++) {
    const at = start + 4 * word
    const value = at + 4 <= end ? bytes.getInt32(at, true) : tail(bytes, at, end)
    lanes[word % LANES] = mixWord(lanes[word % LANES], value)
  }
  let hash = 0
  for (let lane = 0; lane < 4; lane++) {
    let sum = 0
    for (let i = 0; i < 4; i++) sum = (sum + Math.imul(lanes[lane + 4 * i], CONTENT_FACTORS[i])) | 0
    hash = (hash + Math.imul(sum ^ (sum >>> 15), CONTENT_FACTORS[lane])) | 0
  }
  return mix(hash) >>> 0
}

const LANES = 16
export const CONTENT_SEED = 0x243f6a88
const WORD_FACTOR = 0x9e3779b1
/** Odd factors, so that no bit of a lane is lost. */
export const CONTENT_FACTORS = [WORD_FACTOR, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const

/** Adds a word to a lane. */
function mixWord(lane: number, word: number): number {
  const mixed = lane ^ word
  return Math.imul(mixed ^ (mixed >>> 15), WORD_FACTOR)
}

const MURMUR_1 = 0x85ebca6b
const MURMUR_2 = 0xc2b2ae35
export const MURMUR_FACTORS = [MURMUR_1, MURMUR_2] as const

/** The finalizer of MurmurHash3. */
function mix(hash: number): number {
  const half = Math.imul(hash ^ (hash >>> 16), MURMUR_1)
  const whole = Math.imul(half ^ (half >>> 13), MURMUR_2)
  return whole ^ (whole >>> 16)
}

const MAX = 0xffffffff

/** Up to four bytes as a little-endian number. */
function tail(bytes: DataView, start: number, end: number): number {
  let word = 0
  for (let at = end - 1; at >= start; at--) word = (word << 8) | bytes.getUint8(at)
  return word
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
