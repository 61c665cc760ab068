/** An entry has 96 bits of key and 32 bits of content. */
export const ENTRY_WORDS = 4
export const ENTRY_BYTES = 16

export const Found = { new: 0, same: 1, differs: 2 } as const

/**
 * A set of entries in memory, by key: the entries in order of arrival, and an open-addressing index
 * over them. Both take about 23 bytes a key together. Both are divided by key into 64 segments,
 * which double one at a time, so that growing needs little extra memory. Keys must be hashes.
 *
 * A slot of the index is 0 if it is free. Otherwise its low bits are the number of an entry, from
 * 1, and its high bits are bits of the key. So a lookup hardly ever reads an entry of another key.
 */
export class DedupTable {
  /** The memory of the entries, in pages of `PAGE` entries. Segments take blocks of it. */
  readonly #pages: Uint32Array[] = []
  #blocks = 0
  #count = 0
  /** Bits of a slot that hold the number of an entry. */
  #numberBits = 12
  #largest = 2 ** 12 - 1
  readonly #segments: readonly Segment[] = []
  #slots = 0

  /** @param expected number of entries that will be added soon. */
  constructor(expected = 0) {
    while (this.#largest < expected + SEGMENTS * BLOCK && this.#numberBits < MAX_NUMBER_BITS) this.#widenNumbers()
    this.#segments = Array.from({ length: SEGMENTS }, (_, segment) => {
      let slots = Math.round(SMALLEST * 2 ** (segment / SEGMENTS))
      while (slots * FULLEST < (expected / SEGMENTS) * UNEVEN) slots *= 2
      this.#slots += slots
      return { slots: new Uint32Array(slots), count: 0, blocks: [], committed: 0 }
    })
  }

  /** Number of entries. */
  get count(): number {
    return this.#count
  }

  /** Memory in bytes. */
  get bytes(): number {
    return this.#pages.length * PAGE_BYTES + this.#blocks * 8 + this.#slots * SLOT_BYTES + SEGMENTS * OVERHEAD
  }

  /**
   * Loads the slot of an entry into the CPU cache. Prefetching many entries before adding them is
   * faster, because their memory reads overlap.
   */
  prefetch(entries: Uint32Array, at: number): void {
    const { slots } = this.#segments[segmentOf(entries, at)]
    touched[0] = slots[homeOf(slots, entries[at + 1])]
  }

  has(entries: Uint32Array, at: number): number {
    const { slots } = this.#segments[segmentOf(entries, at)]
    return this.#describe(slots[this.#findSlot(slots, entries, at)], entries, at)
  }

  /** The content of the entry with this key, from 0 to 2^32 - 1; -1 if there is none. */
  find(entries: Uint32Array, at: number): number {
    const { slots } = this.#segments[segmentOf(entries, at)]
    const value = slots[this.#findSlot(slots, entries, at)]
    return value === 0 ? -1 : this.#wordOf(value, 3)
  }

  /** Adds the entry if its key is new. Never replaces an entry. */
  add(entries: Uint32Array, at: number): number {
    const segment = this.#segments[segmentOf(entries, at)]
    const slot = this.#findSlot(segment.slots, entries, at)
    const found = this.#describe(segment.slots[slot], entries, at)
    if (found === Found.new) this.#put(segment, slot, entries, at)
    return found
  }

  /**
   * Adds committed entries. Their keys must be new and distinct.
   * @param count number of entries at the start of the array.
   */
  load(entries: Uint32Array, count: number): void {
    for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) {
      const segment = this.#segments[segmentOf(entries, at)]
      this.#put(segment, findFree(segment.slots, entries[at + 1]), entries, at)
    }
    this.commit()
  }

  /** The entries that are not committed, in parts. */
  *pending(): Generator<Uint32Array, void> {
    for (const { committed, count, blocks } of this.#segments) {
      for (let i = committed; i < count;) {
        const end = Math.min(count, i - (i % BLOCK) + BLOCK)
        const first = blocks[Math.floor(i / BLOCK)] + (i % BLOCK)
        yield this.#pages[first >>> PAGE_BITS].subarray(placeOf(first), placeOf(first) + (end - i) * ENTRY_WORDS)
        i = end
      }
    }
  }

  /** Marks all entries as committed. */
  commit(): void {
    for (const segment of this.#segments) segment.committed = segment.count
  }

  #put(segment: Segment, slot: number, entries: Uint32Array, at: number): void {
    const inBlock = segment.count % BLOCK
    if (inBlock === 0) segment.blocks.push(this.#takeBlock())
    const entry = segment.blocks[segment.blocks.length - 1] + inBlock
    const page = this.#pages[entry >>> PAGE_BITS]
    const place = placeOf(entry)
    page[place] = entries[at]
    page[place + 1] = entries[at + 1]
    page[place + 2] = entries[at + 2]
    page[place + 3] = entries[at + 3]
    segment.slots[slot] = this.#valueOf(entries[at + 2], entry)
    this.#count++
    if (++segment.count > segment.slots.length * FULLEST) this.#grow(segment)
  }

  /** Allocates a block. Returns the number of its first entry. */
  #takeBlock(): number {
    const first = this.#blocks++ * BLOCK
    if (placeOf(first) === 0) this.#pages.push(new Uint32Array(PAGE * ENTRY_WORDS))
    if (first + BLOCK > this.#largest) this.#widenNumbers()
    return first
  }

  #grow(segment: Segment): void {
    const { slots: old, count, blocks } = segment
    const slots = new Uint32Array(2 * old.length)
    let remaining = count
    for (const first of blocks) {
      const page = this.#pages[first >>> PAGE_BITS]
      const place = placeOf(first)
      for (let i = 0; i < Math.min(remaining, BLOCK); i++) {
        const at = place + i * ENTRY_WORDS
        slots[findFree(slots, page[at + 1])] = this.#valueOf(page[at + 2], first + i)
      }
      remaining -= BLOCK
    }
    segment.slots = slots
    this.#slots += slots.length - old.length
  }

  /** Slots keep their high key bits in place; the number takes over the lowest of them. */
  #widenNumbers(): void {
    const narrow = this.#largest
    this.#numberBits = Math.min(MAX_NUMBER_BITS, this.#numberBits + 4)
    this.#largest = 2 ** this.#numberBits - 1
    for (const { slots } of this.#segments) {
      for (let slot = 0; slot < slots.length; slot++) {
        const value = slots[slot]
        slots[slot] = (value & ~this.#largest) | (value & narrow)
      }
    }
  }

  #valueOf(word: number, entry: number): number {
    return ((word >>> this.#numberBits) << this.#numberBits) | (entry + 1)
  }

  /** The slot of the key, or the free slot where it belongs. */
  #findSlot(slots: Uint32Array, entries: Uint32Array, at: number): number {
    const tag = entries[at + 2] >>> this.#numberBits
    let slot = homeOf(slots, entries[at + 1])
    for (;;) {
      const value = slots[slot]
      if (value === 0 || (value >>> this.#numberBits === tag && this.#isKeyOf(value, entries, at))) return slot
      slot = slot + 1 === slots.length ? 0 : slot + 1
    }
  }

  #isKeyOf(value: number, entries: Uint32Array, at: number): boolean {
    return (
      this.#wordOf(value, 1) === entries[at + 1] &&
      this.#wordOf(value, 0) === entries[at] &&
      this.#wordOf(value, 2) === entries[at + 2]
    )
  }

  #describe(value: number, entries: Uint32Array, at: number): number {
    if (value === 0) return Found.new
    return this.#wordOf(value, 3) === entries[at + 3] ? Found.same : Found.differs
  }

  /** A word of the entry in a slot. */
  #wordOf(value: number, word: number): number {
    const entry = (value & this.#largest) - 1
    return this.#pages[entry >>> PAGE_BITS][placeOf(entry) + word]
  }
}

interface Segment {
  slots: Uint32Array
  count: number
  /** Number of the first entry of each block. */
  readonly blocks: number[]
  /** Number of its committed entries. */
  committed: number
}

/** Written by `prefetch`, so that the compiler does not remove the read. */
const touched = new Uint32Array(1)

/** Entries. */
const BLOCK = 32
const PAGE_BITS = 10
const PAGE = 1 << PAGE_BITS
const PAGE_BYTES = PAGE * ENTRY_BYTES
const SEGMENTS = 64
/**
 * Slots of the smallest segment. The largest segment starts with twice as many, so that segments do
 * not all grow at the same time and the memory per key hardly varies.
 */
const SMALLEST = 16
/** Maximum load of the index. Long probes are cheap, growing is not. */
const FULLEST = 0.9
/** A segment may get this much more than its share of the keys. */
const UNEVEN = 1.05
const SLOT_BYTES = 4
/** With 32, no bit would be left for the key. 2^31 entries are 40 GB. */
const MAX_NUMBER_BITS = 31
/** Bytes of an empty segment. */
const OVERHEAD = 300

/** Offset of an entry in its page, in words. */
function placeOf(entry: number): number {
  return (entry & (PAGE - 1)) * ENTRY_WORDS
}

function segmentOf(entries: Uint32Array, at: number): number {
  return entries[at] >>> 26
}

/**
 * The second word of a key, scaled to the number of slots. Exact: the factors are below 2^32 and
 * 2^21.
 */
function homeOf({ length }: Uint32Array, word: number): number {
  return (word * (length / 0x100000000)) | 0
}

/** The first free slot for a key with this second word. */
function findFree(slots: Uint32Array, word: number): number {
  let slot = homeOf(slots, word)
  while (slots[slot] !== 0) slot = slot + 1 === slots.length ? 0 : slot + 1
  return slot
}
