import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { DedupTable, ENTRY_WORDS, Found } from '../../../src/delivery/dedup/dedup-table.ts'

/** Entries whose keys are digests of numbers: evenly distributed, as real keys are. */
function entriesOf(from: number, to: number, content: number): Uint32Array {
  const entries = new Uint32Array((to - from) * ENTRY_WORDS)
  for (let i = 0; i < to - from; i++) {
    const digest = createHash('md5')
      .update(String(from + i))
      .digest()
    for (let word = 0; word < 3; word++) entries[i * ENTRY_WORDS + word] = digest.readUInt32LE(word * 4)
    entries[i * ENTRY_WORDS + 3] = content
  }
  return entries
}

function results(entries: Uint32Array, ask: (at: number) => number): Set<number> {
  const seen = new Set<number>()
  for (let at = 0; at < entries.length; at += ENTRY_WORDS) seen.add(ask(at))
  return seen
}

describe('a dedup table', () => {
  it('finds exactly the added keys', () => {
    const table = new DedupTable()
    const [known, unknown, changed] = [entriesOf(0, 70_000, 1), entriesOf(70_000, 80_000, 1), entriesOf(0, 70_000, 2)]
    assert.deepEqual(
      results(known, (at) => table.add(known, at)),
      new Set([Found.new]),
    )
    assert.deepEqual(
      results(known, (at) => table.has(known, at)),
      new Set([Found.same]),
    )
    assert.deepEqual(
      results(unknown, (at) => table.has(unknown, at)),
      new Set([Found.new]),
    )
    assert.deepEqual(
      results(changed, (at) => table.add(changed, at)),
      new Set([Found.differs]),
    )
    assert.deepEqual(
      results(known, (at) => table.add(known, at)),
      new Set([Found.same]),
    )
  })

  it('finds keys that were loaded at once', () => {
    const known = entriesOf(0, 70_000, 1)
    const table = new DedupTable(70_000)
    table.load(known, 69_999)
    assert.deepEqual(
      results(known.subarray(0, -4), (at) => table.has(known, at)),
      new Set([Found.same]),
    )
    assert.equal(table.has(known, known.length - 4), Found.new)
  })

  it('takes at most 24 bytes a key when there are many', () => {
    const table = new DedupTable()
    const entries = entriesOf(0, 300_000, 1)
    for (let i = 0; i < 300_000; i++) {
      table.add(entries, i * ENTRY_WORDS)
      if (i >= 100_000 && i % 1000 === 0) assert.ok(table.bytes <= 24 * i, `${table.bytes / i} bytes a key at ${i}`)
    }
  })

  it('takes at most 32 bytes a key, whatever their number', () => {
    const table = new DedupTable()
    const entries = entriesOf(0, 300_000, 1)
    for (let i = 0; i < 300_000; i++) {
      table.add(entries, i * ENTRY_WORDS)
      if (i >= 5000 && i % 1000 === 0) assert.ok(table.bytes < 32 * i, `${table.bytes / i} bytes a key at ${i}`)
    }
  })
})
