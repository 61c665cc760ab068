import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseCidr, readAddress } from '../../../src/transforms/lookup/address.ts'
import { Ranges } from '../../../src/transforms/lookup/ranges.ts'
import { scaled } from '../../support/scale.ts'

function read(text: string): { version: number; words: number[] } {
  const words = new Uint32Array(4)
  const bytes = Buffer.from(text)
  const version = readAddress(bytes, 0, bytes.length, words)
  return { version, words: [...words.subarray(0, version === 4 ? 1 : 4)] }
}

const octet = fc.integer({ min: 0, max: 300 }).map(String)
const ipv4 = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.'))
const group = fc.oneof(
  fc.integer({ min: 0, max: 0x1_ffff }).map((value) => value.toString(16)),
  fc.constantFrom('', '0', '0000', 'ffff', 'FFFF', 'g'),
)
const ipv6 = fc
  .tuple(fc.array(group, { minLength: 1, maxLength: 9 }), fc.option(ipv4), fc.constantFrom('', '::', ':', '::ffff:'))
  .map(([groups, tail, head]) => `${head}${[...groups, ...(tail === null ? [] : [tail])].join(':')}`)

test('accepts the addresses that Node.js accepts, and those with a port', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6, fc.ipV4(), fc.ipV6()), (text) => {
      const { version } = read(text)
      const expected = isIP(text)
      const isMapped = version === 4 && expected === 6
      const hasPort = version === 4 && expected === 0 && /^[\d.]+:\d{1,5}$/.test(text)
      assert.ok(version === expected || isMapped || hasPort, `${text}: ${version} and ${expected}`)
    }),
    { numRuns: scaled(3000) },
  )
})

test('an address has the same value in all of its spellings', () => {
  const cases: readonly (readonly [string, number, readonly number[]])[] = [
    ['10.0.0.1', 4, [0x0a000001]],
    ['::ffff:a00:1', 4, [0x0a000001]],
    ['[::ffff:10.0.0.1]:80', 4, [0x0a000001]],
    ['0:0:0:0:0:FFFF:10.0.0.1', 4, [0x0a000001]],
    ['::', 6, [0, 0, 0, 0]],
    ['::1', 6, [0, 0, 0, 1]],
    ['1::', 6, [0x10000, 0, 0, 0]],
    ['2001:db8::8:800:200c:417a', 6, [0x20010db8, 0, 0x00080800, 0x200c417a]],
    ['1:2:3:4:5:6:7::', 6, [0x10002, 0x30004, 0x50006, 0x70000]],
    ['::2:3:4:5:6:7:8', 6, [2, 0x30004, 0x50006, 0x70008]],
    ['64:ff9b::1.2.3.4', 6, [0x0064ff9b, 0, 0, 0x01020304]],
    ['fe80::1%eth0', 6, [0xfe800000, 0, 0, 1]],
  ]
  for (const [text, version, words] of cases) assert.deepEqual(read(text), { version, words: [...words] }, text)
  const none = [
    '',
    '1',
    '010.0.0.1',
    '1.2.3.4 ',
    '1.2.3.4, 5.6.7.8',
    '1.2.3.4:',
    '1.2.3.4:123456',
    '[::1',
    '[::1]x',
    '::1%',
    'a.b',
    ':::',
  ]
  for (const text of none) assert.equal(read(text).version, 0, text)
})

test('finds the smallest of random ranges', () => {
  const range = fc.tuple(fc.constantFrom(4, 6), fc.nat(0xffffffff), fc.nat(128), fc.nat(3))
  fc.assert(
    fc.property(fc.array(range, { maxLength: 40 }), fc.array(fc.nat(0xffffffff)), (list, probes) => {
      const cidrs = new Map<string, number>()
      const ranges = list.flatMap(([version, value, bits, shift], row) => {
        const text = textOf(version, (value << shift) >>> 0, version === 4 ? bits % 33 : bits)
        const parsed = parseCidr(text)
        if (typeof parsed === 'string' || cidrs.has(text)) return []
        cidrs.set(text, row)
        return [{ ...parsed, row, line: row }]
      })
      for (const version of [4, 6] as const) {
        const found = Ranges.of(
          ranges.filter((one) => one.version === version),
          version,
        )
        for (const probe of [0, 0xffffffff, ...probes, ...list.map(([, value, , shift]) => (value << shift) >>> 0)]) {
          const words = Uint32Array.from(version === 4 ? [probe, 0, 0, 0] : [probe, 1, probe, 0])
          assert.equal(found.find(words), smallest(version, words, cidrs))
        }
      }
    }),
    { numRuns: scaled(200) },
  )
})

/** A range with this many bits, and zeros after them. */
function textOf(version: number, value: number, bits: number): string {
  if (version === 4) return `${ipv4Text(firstBits(value, bits))}/${bits}`
  const words = [value, 1, value, 0].map((word, at) => firstBits(word, bits - 32 * at))
  return `${ipv6Text(words)}/${bits}`
}

function firstBits(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & (0xffffffff << (32 - bits))) >>> 0
}

function smallest(version: 4 | 6, words: Uint32Array, cidrs: ReadonlyMap<string, number>): number {
  let best = -1
  let bestBits = -1
  const address = version === 4 ? ipv4Text(words[0]) : ipv6Text([...words])
  for (const [text, row] of cidrs) {
    const [net = '', bits = ''] = text.split('/')
    if (isIP(net) !== version || Number(bits) <= bestBits) continue
    const list = new BlockList()
    list.addSubnet(net, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
    if (!list.check(address, version === 4 ? 'ipv4' : 'ipv6')) continue
    best = row
    bestBits = Number(bits)
  }
  return best
}

function ipv4Text(word: number): string {
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')
}

function ipv6Text(words: readonly number[]): string {
  return words.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]).join(':')
}
