import { HIT_BYTES, MAX_HITS, MAX_RECORDS, MAX_STATES, RECORD_BYTES } from './constants'

/**
 * The memory of the module. Its size is fixed: nothing is allocated, a scan that needs more than this is left to the TypeScript scanner.
 * The host reads these numbers from the exports of the module. Nothing of a scan is left here when its index has been copied out: digests,
 * edits and the cutting of arrays use the same places (digests need 16 bytes a record in `COLUMNS`).
 */

/** Open containers and the outside of all: 16 bytes each. Address 0 stands for "none", so it holds nothing. */
export const FRAMES: usize = 1024
export const FRAME_BYTES: usize = 16
export const MAX_DEPTH: usize = 1024

/** What is known of an automaton, for so many automata at a time; see keys.ts. One after the other in each: */
export const TABLES: usize = 65536
export const TABLE_COUNT: usize = 4
/** By state: the transition for an element of an array, -1 when it is not known. */
export const ELEMENTS_BYTES: usize = 4 * (MAX_STATES + 1)
/** By accept set: number of its paths or `TOO_MANY`, then their ids, `MANY` added for those with wildcards; 2 bytes each. */
export const ACCEPTS: usize = ELEMENTS_BYTES
export const ACCEPT_COUNT: usize = 4096
export const ACCEPT_BYTES: usize = 16
export const MANY: u32 = 0x8000
export const TOO_MANY: u32 = 0xffff
/** By what stands before a key: the entry of the key that was there last time. */
export const GUESSES: usize = ACCEPTS + ACCEPT_COUNT * ACCEPT_BYTES
export const GUESS_BITS: u32 = 13
/** Keys; one entry more, for a guess that nobody made. */
export const ENTRIES: usize = GUESSES + (4 << GUESS_BITS)
export const ENTRY_BITS: u32 = 11
export const ENTRY_BYTES: usize = 64
export const TABLE_BYTES: usize = ENTRIES + ((1 << ENTRY_BITS) + 1) * ENTRY_BYTES

/** Records, hits and columns as `RecordIndex` has them, for the largest index; one record more as sentinel. */
export const RECORDS: usize = TABLES + TABLE_COUNT * TABLE_BYTES
export const HITS: usize = RECORDS + (MAX_RECORDS + 1) * RECORD_BYTES
export const COLUMNS: usize = HITS + MAX_HITS * HIT_BYTES
export const MAX_CELLS: usize = 1 << 18

/** The lines to scan, or the array to cut. Reads of up to 64 bytes go beyond their end. */
export const INPUT: usize = COLUMNS + MAX_CELLS * 4 + 16
export const INPUT_BYTES: usize = 1 << 20

/** What edits write: start and length of each text, then the texts. */
export const TOKENS: usize = INPUT + INPUT_BYTES + 64
export const TOKENS_BYTES: usize = 1 << 18
/** Edited lines, or those that were cut from arrays. Writes of up to 64 bytes go beyond their end. */
export const OUTPUT: usize = TOKENS + TOKENS_BYTES
export const OUTPUT_BYTES: usize = INPUT_BYTES + (1 << 18)
export const END: usize = OUTPUT + OUTPUT_BYTES + 64
