import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createPlainDigester } from '../../../src/record/digest.ts'
import { RECORD_STRIDE } from '../../../src/record/record-index.ts'
import { WasmDigester } from '../../../src/record/wasm/digester.ts'
import { WasmScanner } from '../../../src/record/wasm/scanner.ts'
import { scaled } from '../../support/scale.ts'

const KEY = Uint8Array.from({ length: 16 }, (_, at) => (at * 37 + 11) % 256)
const HALVES = [Buffer.from(KEY).readBigUInt64LE(0), Buffer.from(KEY).readBigUInt64LE(8)] as const
const wasm = new WasmDigester(new WasmScanner().module)
const plain = createPlainDigester(KEY)

/** All hashes, and the numbers of the messages that are too long for the module. */
function hashMessages(messages: Uint8Array, ends: Uint32Array): { hashes: Uint32Array; left: number[] } {
  const hashes = new Uint32Array(4 * ends.length)
  const left: number[] = []
  for (let done = 0; done < ends.length;) {
    const next = wasm.hashMessages(HALVES, messages, ends, done, ends.length, hashes)
    if (next === done) left.push(done)
    done = Math.max(next, done + 1)
  }
  return { hashes, left }
}

function hashContents(bytes: Uint8Array, records: Uint32Array, count: number): Uint32Array {
  const hashes = new Uint32Array(count)
  for (let done = 0; done < count;) {
    const next = wasm.hashContents(bytes, records, done, count, hashes)
    assert.ok(next > done)
    done = next
  }
  return hashes
}

function endsOf(lengths: readonly number[]): Uint32Array {
  let end = 0
  return Uint32Array.from(lengths, (length) => (end += length))
}

function recordsOf(lengths: readonly number[], gap: number): { records: Uint32Array; length: number } {
  const records = new Uint32Array(RECORD_STRIDE * (lengths.length + 1))
  let at = gap
  for (const [number, length] of lengths.entries()) {
    records.set([at, at + length, 7, 0x100], RECORD_STRIDE * number)
    at += length + gap
  }
  return { records, length: at }
}

function noise(length: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length }, () => (state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 1) >>> 24)
}

test('matches the reference vectors of SipHash-128', () => {
  const hashes = new Uint32Array(12)
  const key = [0x0706050403020100n, 0x0f0e0d0c0b0a0908n] as const
  const counting = Uint8Array.from({ length: 15 }, (_, at) => at)
  const messages = Uint8Array.of(...counting, 0)
  assert.equal(wasm.hashMessages(key, messages, Uint32Array.of(15, 15, 16), 0, 3, hashes), 3)
  const hex = Buffer.from(hashes.buffer).toString('hex')
  assert.equal(hex.slice(0, 32), '5493e99933b0a8117e08ec0f97cfc3d9')
  assert.equal(hex.slice(32, 64), 'a3817f04ba25a8e66df67214c7550293')
  assert.equal(hex.slice(64), 'da87c1d86b99af44347659119b22fc45')
})

test('gives the same hashes of messages as TypeScript', () => {
  const length = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 600 }))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(length, { maxLength: 30 }), (seed, lengths) => {
      const ends = endsOf(lengths)
      const messages = Uint8Array.from({ length: ends.at(-1) ?? 0 }, (_, at) => (seed[at % seed.length] ?? 0) + at * 31)
      const expected = new Uint32Array(4 * ends.length)
      plain.hashMessages(messages, ends, ends.length, expected)
      assert.deepEqual(hashMessages(messages, ends), { hashes: expected, left: [] })
    }),
    { numRuns: scaled(1000) },
  )
})

test('hashes messages in several calls, and leaves only a message that is too long', () => {
  const lengths = [...Array.from({ length: 40_000 }, (_, number) => number % 70), 131_072, 131_073, 3]
  const ends = endsOf(lengths)
  const messages = noise(ends[ends.length - 1])
  const expected = new Uint32Array(4 * ends.length)
  plain.hashMessages(messages, ends, ends.length, expected)
  expected.fill(0, 4 * 40_001, 4 * 40_002)
  assert.deepEqual(hashMessages(messages, ends), { hashes: expected, left: [40_001] })
})

test('gives the same content hashes as TypeScript, at any position', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 90 }), { minLength: 1, maxLength: 30 }),
      fc.nat({ max: 5 }),
      fc.nat(),
      (lengths, gap, seed) => {
        const { records, length } = recordsOf(lengths, gap)
        const bytes = Uint8Array.from({ length }, (_, at) => Math.imul(at + seed, 0x9e3779b1) >>> 24)
        const expected = new Uint32Array(lengths.length)
        plain.hashContents(bytes, records, lengths.length, expected)
        assert.deepEqual(hashContents(bytes, records, lengths.length), expected)
      },
    ),
    { numRuns: scaled(1000) },
  )
})

test('hashes contents in several calls', () => {
  const { records, length } = recordsOf(
    [...Array.from({ length: 20_000 }, (_, number) => number % 50), 100_000, 131_072],
    1,
  )
  const bytes = noise(length)
  const expected = new Uint32Array(20_002)
  plain.hashContents(bytes, records, 20_002, expected)
  assert.deepEqual(hashContents(bytes, records, 20_002), expected)
})
