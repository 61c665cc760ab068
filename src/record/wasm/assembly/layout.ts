import { HIT_BYTES, MAX_HITS, MAX_NEEDLES, MAX_RECORDS, MAX_STATES, RECORD_BYTES } from './constants'

/**
 * The memory of the module. Its size is fixed and nothing is allocated: the TypeScript scanner
 * takes over a scan that needs more. The host reads these numbers from the exports of the module.
 *
 * The regions are free again when the index of a scan was copied out. Digests, edits and the
 * splitting of arrays use the same regions (digests need 16 bytes per record in `COLUMNS`).
 */

/**
 * A stack frame per open container, and one for the top level. Address 0 means "none", so nothing
 * is stored there.
 */
export const FRAMES: usize = 1024
export const FRAME_BYTES: usize = 16
export const MAX_DEPTH: usize = 1024

/**
 * Tables, one per automaton, for `TABLE_COUNT` automata at a time; see keys.ts. Each table has
 * these parts:
 */
export const TABLES: usize = 65536
export const TABLE_COUNT: usize = 4
/** By state: the transition for an element of an array; -1 if it is unknown. */
export const ELEMENTS_BYTES: usize = 4 * (MAX_STATES + 1)
/**
 * By accept set: the number of its paths or `TOO_MANY`, then their ids, plus `MANY` for paths with
 * wildcards; 2 bytes each.
 */
export const ACCEPTS: usize = ELEMENTS_BYTES
export const ACCEPT_COUNT: usize = 4096
export const ACCEPT_BYTES: usize = 16
export const MANY: u32 = 0x8000
export const TOO_MANY: u32 = 0xffff
/** By the history of keys: the entry of the key that came next last time. */
export const GUESSES: usize = ACCEPTS + ACCEPT_COUNT * ACCEPT_BYTES
export const GUESS_BITS: u32 = 13
/** Entries of keys; one more entry for guesses that are not set. */
export const ENTRIES: usize = GUESSES + (4 << GUESS_BITS)
export const ENTRY_BITS: u32 = 11
export const ENTRY_BYTES: usize = 64
/**
 * By accept set: the set with the path of needles, then by accept set the one with the path of traits;
 * 0 if it is unknown.
 */
export const WATCHED: usize = ENTRIES + ((1 << ENTRY_BITS) + 1) * ENTRY_BYTES
export const TABLE_BYTES: usize = WATCHED + ACCEPT_COUNT * 8

/** Records (with a sentinel), hits and columns as in `RecordIndex`, for the largest index. */
export const RECORDS: usize = TABLES + TABLE_COUNT * TABLE_BYTES
export const HITS: usize = RECORDS + (MAX_RECORDS + 1) * RECORD_BYTES
export const COLUMNS: usize = HITS + MAX_HITS * HIT_BYTES
export const MAX_CELLS: usize = 1 << 18

/** The lines to scan, or the array to split. Reads go up to 64 bytes beyond the end. */
export const INPUT: usize = COLUMNS + MAX_CELLS * 4 + 16
export const INPUT_BYTES: usize = 1 << 20

/** Tokens of edits: start and length of each text, then the texts. */
export const TOKENS: usize = INPUT + INPUT_BYTES + 64
export const TOKENS_BYTES: usize = 1 << 20
/** Output: edited lines, or elements of arrays. Writes go up to 64 bytes beyond the end. */
export const OUTPUT: usize = TOKENS + TOKENS_BYTES
export const OUTPUT_BYTES: usize = INPUT_BYTES + (1 << 18)

/**
 * What the scanner searches in strings, see watch.ts: the tables by half bytes, those of the telling
 * bytes, the first needle of each slot, the needles from number 1 on.
 */
export const NIBBLES: usize = OUTPUT + OUTPUT_BYTES + 64
export const TELLING: usize = NIBBLES + 32 + 32
export const NEEDLE_FIRST: usize = TELLING + 32
export const NEEDLES: usize = NEEDLE_FIRST + 256
export const NEEDLE_BYTES: usize = 32
export const END: usize = NEEDLES + (MAX_NEEDLES + 1) * NEEDLE_BYTES
