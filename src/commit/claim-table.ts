/** 96 bits of key and 32 of content. */
export const ENTRY_WORDS = 4
export const ENTRY_BYTES = 16

export const Found = { new: 0, same: 1, differs: 2 } as const

/**
 * A set of entries in memory, by key. Open addressing in 64 segments that grow one at a time and by about a quarter: 18 to 24 bytes a key and a
 * peak that is one segment higher, where doubling a single table would need 64. Keys are hashes already; 96 zero bits stand for a free slot.
 */
export class ClaimTable {
  readonly #segments: Uint32Array[] = []
  readonly #counts = new Uint32Array(SEGMENTS)
  #bytes: number

  /** @param expected number of entries that will come soon. */
  constructor(expected = 0) {
    const slots = Math.max(SMALLEST, Math.ceil(expected / SEGMENTS / 0.75))
    for (let i = 0; i < SEGMENTS; i++) this.#segments.push(new Uint32Array(slots * ENTRY_WORDS))
    this.#bytes = SEGMENTS * (slots * ENTRY_BYTES + OVERHEAD)
  }

  /** Memory in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Brings the place of an entry into the processor's cache. For many entries in a row that is faster than adding them at once: their reads do not
   * wait for each other.
   */
  touch(entries: Uint32Array, at: number): void {
    const segment = this.#segments[segmentOf(entries[at])]
    touched[0] = segment[homeOf(segment, entries[at + 1])]
  }

  has(entries: Uint32Array, at: number): number {
    const segment = this.#segments[segmentOf(entries[at])]
    return describe(segment, findSlot(segment, entries, at), entries, at)
  }

  /** Adds the entry unless its key is there: then what is there stays. */
  add(entries: Uint32Array, at: number): number {
    const number = segmentOf(entries[at])
    const segment = this.#segments[number]
    const slot = findSlot(segment, entries, at)
    const found = describe(segment, slot, entries, at)
    if (found === Found.new) this.#put(number, segment, slot, entries, at)
    return found
  }

  /**
   * Adds entries whose keys are new, and differ. Ordered by segment first: a segment fits into the processor's cache, the whole table does not.
   * @param count entries from the beginning of the array.
   */
  load(entries: Uint32Array, count: number): void {
    const ends = new Uint32Array(SEGMENTS)
    for (let i = 0; i < count; i++) ends[segmentOf(entries[i * ENTRY_WORDS])]++
    for (let i = 1; i < SEGMENTS; i++) ends[i] += ends[i - 1]
    const ordered = new Uint32Array(count * ENTRY_WORDS)
    for (let at = (count - 1) * ENTRY_WORDS; at >= 0; at -= ENTRY_WORDS) {
      copyEntry(entries, at, ordered, --ends[segmentOf(entries[at])] * ENTRY_WORDS)
    }
    for (let at = 0; at < ordered.length; at += ENTRY_WORDS) {
      const number = segmentOf(ordered[at])
      const segment = this.#segments[number]
      this.#put(number, segment, findFree(segment, ordered[at + 1]), ordered, at)
    }
  }

  #put(number: number, segment: Uint32Array, slot: number, entries: Uint32Array, at: number): void {
    copyEntry(entries, at, segment, slot)
    if (++this.#counts[number] > (segment.length / ENTRY_WORDS) * FULLEST) this.#grow(number)
  }

  #grow(number: number): void {
    const old = this.#segments[number]
    const slots = old.length / ENTRY_WORDS
    const grown = new Uint32Array((slots <= DOUBLED ? slots * 2 : Math.ceil(slots * GROWTH)) * ENTRY_WORDS)
    for (let at = 0; at < old.length; at += ENTRY_WORDS) {
      if (!isFree(old, at)) copyEntry(old, at, grown, findFree(grown, old[at + 1]))
    }
    this.#segments[number] = grown
    this.#bytes += grown.byteLength - old.byteLength
  }
}

/** Written, so that the compiler does not leave out the read. */
const touched = new Uint32Array(1)

const SEGMENTS = 64
const SMALLEST = 8
/** Long searches are cheap, being sequential; growing is not. */
const FULLEST = 0.88
const GROWTH = 1.28
/** Segments of so many slots still double: their memory is nothing, and the first claims of a bucket come fast. */
const DOUBLED = 64
/** What an empty typed array costs. */
const OVERHEAD = 200

function segmentOf(word: number): number {
  return word >>> 26
}

/** The second word, scaled to the number of slots. Exact: the factors are below 2^32 and 2^21. */
function homeOf(segment: Uint32Array, word: number): number {
  return ((word * (segment.length * SCALE)) | 0) * ENTRY_WORDS
}

const SCALE = 1 / ENTRY_WORDS / 0x100000000

/** Where the key stands, or the free slot where it belongs. */
function findSlot(segment: Uint32Array, entries: Uint32Array, at: number): number {
  const first = entries[at]
  const second = entries[at + 1]
  const third = entries[at + 2]
  let slot = homeOf(segment, second)
  while (!isFree(segment, slot)) {
    if (segment[slot + 1] === second && segment[slot] === first && segment[slot + 2] === third) return slot
    slot += ENTRY_WORDS
    if (slot === segment.length) slot = 0
  }
  return slot
}

/** The free slot where a key with this second word belongs. */
function findFree(segment: Uint32Array, second: number): number {
  let slot = homeOf(segment, second)
  while (!isFree(segment, slot)) {
    slot += ENTRY_WORDS
    if (slot === segment.length) slot = 0
  }
  return slot
}

function isFree(segment: Uint32Array, slot: number): boolean {
  return (segment[slot] | segment[slot + 1] | segment[slot + 2]) === 0
}

function describe(segment: Uint32Array, slot: number, entries: Uint32Array, at: number): number {
  if (isFree(segment, slot)) return Found.new
  return segment[slot + 3] === entries[at + 3] ? Found.same : Found.differs
}

function copyEntry(from: Uint32Array, at: number, to: Uint32Array, slot: number): void {
  to[slot] = from[at]
  to[slot + 1] = from[at + 1]
  to[slot + 2] = from[at + 2]
  to[slot + 3] = from[at + 3]
}
