/** 96 bits of key and 32 of content. */
export const ENTRY_WORDS = 4
export const ENTRY_BYTES = 16

export const Found = { new: 0, same: 1, differs: 2 } as const

/**
 * A set of entries in memory, by key: the entries in the order in which they came, and an index by open addressing over them, 21 to 24 bytes a key
 * together. The index is cut into 64 segments that grow one at a time, so that growing takes little memory at once. Keys are hashes already.
 *
 * A slot of the index is 0 when it is free, else the number of an entry, counted from 1, with as many bits of its key above it as there is room for: so
 * an entry is hardly ever read that is not the one that is looked for.
 */
export class ClaimTable {
  /** The entries, `BLOCK` in each but the last. */
  readonly #blocks: Uint32Array[] = []
  #count = 0
  /** Bits of a slot that are for a number. */
  #numberBits = 12
  #largest = 2 ** 12 - 1
  readonly #segments: Segment[]
  #slots: number

  /** @param expected number of entries that will come soon. */
  constructor(expected = 0) {
    const slots = Math.max(SMALLEST, Math.ceil(expected / SEGMENTS / 0.75))
    this.#segments = Array.from({ length: SEGMENTS }, () => ({ slots: new Uint32Array(slots), count: 0 }))
    this.#slots = SEGMENTS * slots
  }

  /** Number of entries. */
  get count(): number {
    return this.#count
  }

  /** Memory in bytes. */
  get bytes(): number {
    return this.#blocks.length * BLOCK_BYTES + this.#slots * SLOT_BYTES + SEGMENTS * OVERHEAD
  }

  has(entries: Uint32Array, at: number): number {
    const { slots } = this.#segments[segmentOf(entries, at)]
    return this.#describe(slots[this.#findSlot(slots, entries, at)], entries, at)
  }

  /** Adds the entry unless its key is there: then what is there stays. */
  add(entries: Uint32Array, at: number): number {
    const segment = this.#segments[segmentOf(entries, at)]
    const slot = this.#findSlot(segment.slots, entries, at)
    const found = this.#describe(segment.slots[slot], entries, at)
    if (found !== Found.new) return found
    const block = this.#openBlock()
    const to = (this.#count & IN_BLOCK) * ENTRY_WORDS
    block[to] = entries[at]
    block[to + 1] = entries[at + 1]
    block[to + 2] = entries[at + 2]
    block[to + 3] = entries[at + 3]
    this.#count++
    this.#index(segment, slot, entries[at + 2], this.#count)
    return Found.new
  }

  /**
   * Adds entries whose keys are new, and differ.
   * @param count entries from the beginning of the array.
   */
  load(entries: Uint32Array, count: number): void {
    for (let done = 0; done < count;) {
      const block = this.#openBlock()
      const start = this.#count & IN_BLOCK
      const end = Math.min(BLOCK, start + count - done)
      block.set(entries.subarray(done * ENTRY_WORDS, (done + end - start) * ENTRY_WORDS), start * ENTRY_WORDS)
      for (let at = start * ENTRY_WORDS; at < end * ENTRY_WORDS; at += ENTRY_WORDS) {
        const segment = this.#segments[segmentOf(block, at)]
        this.#count++
        this.#index(segment, findFree(segment.slots, block[at + 1]), block[at + 2], this.#count)
      }
      done += end - start
    }
  }

  /** The entries behind the first so many, in the order in which they came, in pieces. */
  *entriesFrom(first: number): Generator<Uint32Array, void> {
    for (let number = first; number < this.#count;) {
      const start = number & IN_BLOCK
      const end = Math.min(BLOCK, start + this.#count - number)
      yield this.#blocks[number >>> BLOCK_BITS].subarray(start * ENTRY_WORDS, end * ENTRY_WORDS)
      number += end - start
    }
  }

  #openBlock(): Uint32Array {
    if (this.#count === this.#blocks.length * BLOCK) this.#blocks.push(new Uint32Array(BLOCK * ENTRY_WORDS))
    return this.#blocks[this.#blocks.length - 1]
  }

  #index(segment: Segment, slot: number, word: number, number: number): void {
    segment.slots[slot] = this.#valueOf(word, number)
    if (++segment.count > segment.slots.length * FULLEST) this.#grow(segment)
    if (number === this.#largest) this.#widenNumbers()
  }

  #grow(segment: Segment): void {
    const { slots: old, count } = segment
    const slots = new Uint32Array(old.length <= DOUBLED ? old.length * 2 : Math.ceil(old.length * GROWTH))
    // In passes without branches that cannot be foreseen, so that the reads of entries do not wait for each other.
    const values = new Uint32Array(count + 1)
    const words = new Uint32Array(count)
    for (let slot = 0, next = 0; slot < old.length; slot++) {
      values[next] = old[slot]
      next += old[slot] === 0 ? 0 : 1
    }
    for (let i = 0; i < count; i++) words[i] = this.#wordOf(values[i], 1)
    for (let i = 0; i < count; i++) slots[findFree(slots, words[i])] = values[i]
    segment.slots = slots
    this.#slots += slots.length - old.length
  }

  #widenNumbers(): void {
    const narrow = this.#largest
    this.#numberBits = Math.min(MAX_NUMBER_BITS, this.#numberBits + 4)
    this.#largest = 2 ** this.#numberBits - 1
    for (const { slots } of this.#segments) {
      for (let slot = 0; slot < slots.length; slot++) {
        const number = slots[slot] & narrow
        if (number !== 0) slots[slot] = this.#valueOf(this.#wordOf(number, 2), number)
      }
    }
  }

  #valueOf(word: number, number: number): number {
    return ((word >>> this.#numberBits) << this.#numberBits) | number
  }

  /** Where the key stands, or the free slot where it belongs. */
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
    return this.#blocks[entry >>> BLOCK_BITS][(entry & IN_BLOCK) * ENTRY_WORDS + word]
  }
}

interface Segment {
  slots: Uint32Array
  count: number
}

/** Of the number of entries in a block. */
const BLOCK_BITS = 10
const BLOCK = 1 << BLOCK_BITS
const IN_BLOCK = BLOCK - 1
const BLOCK_BYTES = BLOCK * ENTRY_BYTES
const SEGMENTS = 64
const SMALLEST = 8
/** Long searches are cheap, growing is not. */
const FULLEST = 0.9
const GROWTH = 1.75
/** Segments of so many slots still double: their memory is nothing, and the first claims of a bucket come fast. */
const DOUBLED = 32
const SLOT_BYTES = 4
/** More would leave no bit for a key; so many entries are 40 GB. */
const MAX_NUMBER_BITS = 31
/** What a block or an empty typed array costs. */
const OVERHEAD = 200

function segmentOf(entries: Uint32Array, at: number): number {
  return entries[at] >>> 26
}

/** The second word of a key, scaled to the number of slots. Exact: the factors are below 2^32 and 2^21. */
function homeOf({ length }: Uint32Array, word: number): number {
  return (word * (length / 0x100000000)) | 0
}

/** The first free slot for a key with this second word. */
function findFree(slots: Uint32Array, word: number): number {
  let slot = homeOf(slots, word)
  while (slots[slot] !== 0) slot = slot + 1 === slots.length ? 0 : slot + 1
  return slot
}
