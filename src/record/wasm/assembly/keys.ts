import { stepKey } from './host'
import { ACCEPT_COUNT, ELEMENTS_BYTES, ENTRIES, ENTRY_BITS, ENTRY_BYTES, GUESSES, GUESS_BITS, TABLES, TABLE_BYTES, WATCHED } from './layout'
import { skipString } from './text'

/**
 * A cache of transitions by (state, raw key), so that the host is called once per pair. Its size is
 * fixed: ever new keys cost time but no memory, and no choice of keys makes a look-up longer than
 * `WAYS` entries. An entry is:
 * 0: state << 8 | length of the text, or FREE
 * 4: the transition
 * 8: one bit for each of the first 16 bytes that belongs to the text
 * 16: the text: the key in its quotes
 *
 * Events repeat the order of their keys, so the entry is first guessed from the keys before it. A
 * correct guess takes one comparison: a key that equals a valid key needs no further check of its
 * bytes.
 */
const NAME: usize = 0
const TRANSITION: usize = 4
const MASK: usize = 8
const TEXT: usize = 16

const FREE: u32 = 0xffffffff
const MAX_TEXT: usize = ENTRY_BYTES - TEXT
const ENTRY_COUNT: usize = 1 << ENTRY_BITS
const WAYS: usize = 8

/**
 * Results of `findKey`: the transition, -1 if the automaton is full; the entry, 0 for a key that is
 * too long for one.
 */
export let foundTransition: i32 = 0
export let foundEntry: usize = 0

let victim: usize = 0

export function tableAt(number: usize): usize {
  return TABLES + number * TABLE_BYTES
}

/** Clears a table. */
export function clearTable(number: usize): void {
  const table = tableAt(number)
  memory.fill(table, 0xff, ELEMENTS_BYTES)
  memory.fill(table + WATCHED, 0, ACCEPT_COUNT * 8)
  const entries = table + ENTRIES
  for (let i: usize = 0; i <= ENTRY_COUNT; i++) store<u32>(entries + i * ENTRY_BYTES, FREE, NAME)
  const unset = entries + ENTRY_COUNT * ENTRY_BYTES
  for (let i: usize = 0; i < 1 << GUESS_BITS; i++) store<u32>(table + GUESSES + 4 * i, <u32>unset)
}

/**
 * The slot of the guess for the key after this history. The low bits suffice, because addresses of
 * entries come from a hash.
 */
@inline
export function guessAt(guesses: usize, history: u32): usize {
  return guesses + (<usize>(history & ((1 << GUESS_BITS) - 1)) << 2)
}

/** Adds a key to the history. `guessAt` uses the bits of the last four keys. */
@inline
export function afterKey(history: u32, entry: usize): u32 {
  return (history << 3) + <u32>(entry / ENTRY_BYTES)
}

/** The history at the start of a container. */
@inline
export function inside(history: u32): u32 {
  return history + 0x3001
}

/** True if the member at `at` has the key of this entry. */
@inline
export function isKeyOf(entry: usize, state: u32, at: usize): bool {
  const name = load<u32>(entry, NAME)
  if (name >>> 8 != state) return false
  const mask = load<u32>(entry, MASK)
  if ((i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(entry, TEXT))) & mask) != mask) return false
  return mask != 0xffff || isSameTail(entry + TEXT, at, name & 0xff)
}

@inline
export function textLength(entry: usize): usize {
  return load<u8>(entry, NAME)
}

@inline
export function transitionOf(entry: usize): u32 {
  return load<u32>(entry, TRANSITION)
}

/**
 * The end of the key at `at`, 0 if it is not a valid key. `origin` is the address of byte 0 of the
 * input.
 */
export function findKey(entries: usize, state: u32, at: usize, origin: usize): usize {
  const end = skipString(at)
  if (end == 0) return 0
  const length = end - at
  if (length > MAX_TEXT) {
    foundEntry = 0
    foundTransition = askHost(state, at, end, origin)
    return end
  }
  const name = (state << 8) | <u32>length
  const quoted = maskOf(length)
  const first = hash(name, at, length)
  let entry = entries + ((first + (victim & (WAYS - 1))) & (ENTRY_COUNT - 1)) * ENTRY_BYTES
  for (let way: usize = 0; way < WAYS; way++) {
    const other = entries + ((first + way) & (ENTRY_COUNT - 1)) * ENTRY_BYTES
    const known = load<u32>(other, NAME)
    if (known == FREE) {
      entry = other
      break
    }
    if (known != name) continue
    if ((i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(other, TEXT))) & quoted) != quoted) continue
    if (quoted == 0xffff && !isSameTail(other + TEXT, at, <u32>length)) continue
    foundEntry = other
    foundTransition = load<i32>(other, TRANSITION)
    return end
  }
  foundTransition = askHost(state, at, end, origin)
  if (foundTransition < 0) return end
  victim++
  store<u32>(entry, name, NAME)
  store<i32>(entry, foundTransition, TRANSITION)
  store<u32>(entry, quoted, MASK)
  memory.copy(entry + TEXT, at, length)
  foundEntry = entry
  return end
}

/** The transition for a raw key, from the host. In state 0 nothing matches. */
@inline
function askHost(state: u32, at: usize, end: usize, origin: usize): i32 {
  return state == 0 ? 0 : stepKey(state, at + 1 - origin, end - 1 - origin)
}

@inline
function maskOf(length: usize): u32 {
  return length < 16 ? (1 << <u32>length) - 1 : 0xffff
}

/**
 * Compares the last 16 bytes, and the middle of a long text. The first 16 bytes are known to be
 * equal.
 */
@inline
function isSameTail(text: usize, at: usize, length: u32): bool {
  const last = length - 16
  if (i8x16.bitmask(i8x16.eq(v128.load(at + last), v128.load(text + last))) != 0xffff) return false
  return length <= 32 || i8x16.bitmask(i8x16.eq(v128.load(at + 16), v128.load(text + 16))) == 0xffff
}

/** A hash of the name, the first 8 bytes and the last 8 bytes. */
@inline
function hash(name: u32, at: usize, length: usize): usize {
  const plain = length - 1
  const first = plain >= 8 ? load<u64>(at) : load<u64>(at) & ((<u64>1 << (plain << 3)) - 1)
  const last = plain >= 8 ? load<u64>(at + length - 8) : 0
  const mixed = (first ^ (last * 0x9e3779b97f4a7c15) ^ (<u64>name * 0xc2b2ae3d27d4eb4f)) * 0xff51afd7ed558ccd
  return <usize>(mixed >>> (64 - <u64>ENTRY_BITS))
}
