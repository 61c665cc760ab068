/** 96 bits of key and 32 of content. */
export const ENTRY_WORDS = 4
export const ENTRY_BYTES = 16

export const Found = { new: 0, same: 1, differs: 2 } as const

/**
 * A set of entries in memory, by key. Open addressing in 64 segments that grow one at a time and by a quarter: 19 to 24 bytes a key and a peak
 * that is one segment higher, where doubling a single table would need 64. Keys are hashes already.
 *
 * Searches go over the tags, one byte for each slot, which lie so close that a search rarely leaves a line of the processor's cache, however full
 * a segment is.
 */
export class ClaimTable {
  readonly #segments: Segment[]
  #bytes: number

  /** @param expected number of entries that will come soon. */
  constructor(expected = 0) {
    const slots = Math.max(SMALLEST, Math.ceil(expected / SEGMENTS / 0.75))
    this.#segments = Array.from({ length: SEGMENTS }, () => createSegment(slots))
    this.#bytes = SEGMENTS * sizeOf(slots)
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
    const segment = this.#segments[segmentOf(entries, at)]
    const home = homeOf(segment, entries, at)
    touched[0] = segment.tags[home] ^ segment.entries[home * ENTRY_WORDS]
  }

  has(entries: Uint32Array, at: number): number {
    const segment = this.#segments[segmentOf(entries, at)]
    return describe(segment, findSlot(segment, entries, at), entries, at)
  }

  /** Adds the entry unless its key is there: then what is there stays. */
  add(entries: Uint32Array, at: number): number {
    const number = segmentOf(entries, at)
    const segment = this.#segments[number]
    const slot = findSlot(segment, entries, at)
    const found = describe(segment, slot, entries, at)
    if (found === Found.new) this.#put(number, slot, entries, at)
    return found
  }

  /**
   * Adds entries whose keys are new, and differ. Ordered by segment first: a segment fits into the processor's cache, the whole table does not.
   * @param count entries from the beginning of the array.
   */
  load(entries: Uint32Array, count: number): void {
    const ends = new Uint32Array(SEGMENTS)
    for (let i = 0; i < count; i++) ends[segmentOf(entries, i * ENTRY_WORDS)]++
    for (let i = 1; i < SEGMENTS; i++) ends[i] += ends[i - 1]
    const ordered = new Uint32Array(count * ENTRY_WORDS)
    for (let at = (count - 1) * ENTRY_WORDS; at >= 0; at -= ENTRY_WORDS) {
      copyEntry(entries, at, ordered, --ends[segmentOf(entries, at)] * ENTRY_WORDS)
    }
    for (let at = 0; at < ordered.length; at += ENTRY_WORDS) {
      const number = segmentOf(ordered, at)
      this.#put(number, findFree(this.#segments[number], ordered, at), ordered, at)
    }
  }

  #put(number: number, slot: number, entries: Uint32Array, at: number): void {
    const segment = this.#segments[number]
    putEntry(segment, slot, entries, at)
    if (++segment.count > segment.slots * FULLEST) this.#grow(number)
  }

  #grow(number: number): void {
    const old = this.#segments[number]
    const grown = createSegment(old.slots <= DOUBLED ? old.slots * 2 : Math.ceil(old.slots * GROWTH))
    const { tags, entries } = old
    for (let slot = 0; slot < tags.length; slot++) {
      if (tags[slot] === FREE) continue
      const at = slot * ENTRY_WORDS
      putEntry(grown, findFree(grown, entries, at), entries, at)
    }
    grown.count = old.count
    this.#segments[number] = grown
    this.#bytes += sizeOf(grown.slots) - sizeOf(old.slots)
  }
}

interface Segment {
  readonly slots: number
  /** `FREE`, or some bits of the key. */
  readonly tags: Uint8Array
  readonly entries: Uint32Array
  count: number
}

/** Written, so that the compiler does not leave out the read. */
const touched = new Uint32Array(1)

const SEGMENTS = 64
const SMALLEST = 8
/** Long searches are cheap, growing is not. */
const FULLEST = 0.9
const GROWTH = 1.25
/** Segments of so many slots still double: their memory is nothing, and the first claims of a bucket come fast. */
const DOUBLED = 32
const FREE = 0
/** What two empty typed arrays cost. */
const OVERHEAD = 400

function createSegment(slots: number): Segment {
  return { slots, tags: new Uint8Array(slots), entries: new Uint32Array(slots * ENTRY_WORDS), count: 0 }
}

function sizeOf(slots: number): number {
  return slots * (ENTRY_BYTES + 1) + OVERHEAD
}

function segmentOf(entries: Uint32Array, at: number): number {
  return entries[at] >>> 26
}

/** The second word, scaled to the number of slots. Exact: the factors are below 2^32 and 2^21. */
function homeOf({ slots }: Segment, entries: Uint32Array, at: number): number {
  return (entries[at + 1] * (slots / 0x100000000)) | 0
}

function tagOf(entries: Uint32Array, at: number): number {
  return (entries[at + 2] & 0xff) | 1
}

/** Where the key stands, or the free slot where it belongs. */
function findSlot(segment: Segment, entries: Uint32Array, at: number): number {
  const { tags, entries: own } = segment
  const tag = tagOf(entries, at)
  let slot = homeOf(segment, entries, at)
  for (;;) {
    const other = tags[slot]
    if (other === FREE) return slot
    if (other === tag && isSameKey(own, slot * ENTRY_WORDS, entries, at)) return slot
    slot = slot + 1 === tags.length ? 0 : slot + 1
  }
}

/** The free slot where a key belongs. */
function findFree(segment: Segment, entries: Uint32Array, at: number): number {
  const { tags } = segment
  let slot = homeOf(segment, entries, at)
  while (tags[slot] !== FREE) slot = slot + 1 === tags.length ? 0 : slot + 1
  return slot
}

function isSameKey(own: Uint32Array, slot: number, entries: Uint32Array, at: number): boolean {
  return own[slot + 1] === entries[at + 1] && own[slot] === entries[at] && own[slot + 2] === entries[at + 2]
}

function describe({ tags, entries: own }: Segment, slot: number, entries: Uint32Array, at: number): number {
  if (tags[slot] === FREE) return Found.new
  return own[slot * ENTRY_WORDS + 3] === entries[at + 3] ? Found.same : Found.differs
}

function putEntry({ tags, entries: own }: Segment, slot: number, entries: Uint32Array, at: number): void {
  tags[slot] = tagOf(entries, at)
  copyEntry(entries, at, own, slot * ENTRY_WORDS)
}

function copyEntry(from: Uint32Array, at: number, to: Uint32Array, slot: number): void {
  to[slot] = from[at]
  to[slot + 1] = from[at + 1]
  to[slot + 2] = from[at + 2]
  to[slot + 3] = from[at + 3]
}
