import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentHash, createSipHash } from '../../src/record/digest.ts'

const KEY = Uint8Array.from({ length: 16 }, (_, at) => at)
const COUNTING = Uint8Array.from({ length: 64 }, (_, at) => at)

test('SipHash-128 matches the reference vectors', () => {
  assert.equal(sipHash(KEY, COUNTING.subarray(0, 15)), '5493e99933b0a8117e08ec0f97cfc3d9')
  assert.equal(sipHash(KEY, COUNTING.subarray(0, 0)), 'a3817f04ba25a8e66df67214c7550293')
  assert.equal(sipHash(KEY, COUNTING.subarray(0, 1)), 'da87c1d86b99af44347659119b22fc45')
})

test('SipHash-128 agrees with plain 64-bit arithmetic for every length', () => {
  const odd = Uint8Array.from({ length: 400 }, (_, at) => (at * 151 + 7) % 256)
  for (let length = 0; length <= 80; length++) {
    assert.equal(
      sipHash(odd.subarray(300, 316), odd.subarray(0, length)),
      sipHash64(odd.subarray(300, 316), odd.subarray(0, length)),
    )
  }
  for (const length of [255, 256, 257, 300]) {
    assert.equal(sipHash(KEY, odd.subarray(0, length)), sipHash64(KEY, odd.subarray(0, length)))
  }
})

test('a different key gives different hashes', () => {
  assert.notEqual(sipHash(KEY, COUNTING), sipHash(KEY.toReversed(), COUNTING))
})

test('the content hash does not depend on the position of the bytes', () => {
  const line = Buffer.from('{"id":"5c8fcfe0e7eb500001c71073","service":"alerts","success":true}')
  const expected = content(line, 0, line.length)
  for (let shift = 1; shift < 9; shift++) {
    const moved = Buffer.concat([Buffer.alloc(shift, 'x'), line, Buffer.alloc(9, 'y')])
    assert.equal(content(moved, shift, shift + line.length), expected)
  }
})

test('the content hash changes with every byte and with the length', () => {
  const seen = new Set<number>()
  const line = Buffer.alloc(70)
  for (let length = 0; length <= line.length; length++) seen.add(content(line, 0, length))
  assert.equal(seen.size, line.length + 1)
  for (let at = 0; at < line.length; at++) {
    for (const value of [1, 128, 255]) {
      line[at] = value
      seen.add(content(line, 0, line.length))
    }
    line[at] = 0
  }
  assert.equal(seen.size, line.length * 4 + 1)
})

function sipHash(key: Uint8Array, message: Uint8Array): string {
  const output = new Uint32Array(6)
  createSipHash(key)(viewOf(message), message.length, output, 1)
  assert.equal(output[0] + output[5], 0, 'only four words are written')
  return Buffer.from(output.buffer, 4, 16).toString('hex')
}

function content(bytes: Uint8Array, start: number, end: number): number {
  return contentHash(viewOf(bytes), start, end)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The algorithm as written in the SipHash paper. */
function sipHash64(key: Uint8Array, message: Uint8Array): string {
  const mask = (1n << 64n) - 1n
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask
  const k0 = Buffer.from(key).readBigUInt64LE(0)
  const k1 = Buffer.from(key).readBigUInt64LE(8)
  let v0 = k0 ^ 0x736f6d6570736575n
  let v1 = k1 ^ 0x646f72616e646f6dn ^ 0xeen
  let v2 = k0 ^ 0x6c7967656e657261n
  let v3 = k1 ^ 0x7465646279746573n
  const rounds = (count: number): void => {
    for (let round = 0; round < count; round++) {
      v0 = (v0 + v1) & mask
      v1 = rotate(v1, 13n) ^ v0
      v0 = rotate(v0, 32n)
      v2 = (v2 + v3) & mask
      v3 = rotate(v3, 16n) ^ v2
      v0 = (v0 + v3) & mask
      v3 = rotate(v3, 21n) ^ v0
      v2 = (v2 + v1) & mask
      v1 = rotate(v1, 17n) ^ v2
      v2 = rotate(v2, 32n)
    }
  }
  const padded = Buffer.alloc(message.length - (message.length % 8) + 8)
  padded.set(message)
  padded[padded.length - 1] = message.length % 256
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at)
    v3 ^= word
    rounds(2)
    v0 ^= word
  }
  const output = Buffer.alloc(16)
  v2 ^= 0xeen
  rounds(4)
  output.writeBigUInt64LE(v0 ^ v1 ^ v2 ^ v3, 0)
  v1 ^= 0xddn
  rounds(4)
  output.writeBigUInt64LE(v0 ^ v1 ^ v2 ^ v3, 8)
  return output.toString('hex')
}
