import { createHash } from 'node:crypto'
import { SluiceError } from '../../errors.ts'
import { ENTRY_BYTES } from '../dedup/dedup-table.ts'
import type { DayKeys } from './shard.ts'

/** The entries as numbers, four for each; without a copy where the memory allows it. */
export function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  if (byteOffset % 4 === 0) return new Uint32Array(buffer, byteOffset, byteLength / 4)
  return new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength))
}

export function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** A list of dedup keys as bytes: for each day its number, the number of entries, and the entries. */
export function encodeKeys(keys: readonly DayKeys[]): Uint8Array {
  const bytes = Buffer.alloc(keys.reduce((sum, { entries }) => sum + HEADER_BYTES + entries.length, 0))
  let at = 0
  for (const { day, entries } of keys) {
    bytes.writeInt32LE(day, at)
    bytes.writeUInt32LE(entries.length / ENTRY_BYTES, at + 4)
    bytes.set(entries, at + HEADER_BYTES)
    at += HEADER_BYTES + entries.length
  }
  return bytes
}

/** @throws SluiceError STATE_DAMAGED if the bytes are no such list */
export function decodeKeys(list: Uint8Array): DayKeys[] {
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength)
  const keys: DayKeys[] = []
  for (let at = 0; at < list.length;) {
    const end =
      at + HEADER_BYTES <= list.length ? at + HEADER_BYTES + view.getUint32(at + 4, true) * ENTRY_BYTES : Infinity
    if (end > list.length) throw new SluiceError('STATE_DAMAGED', 'a list of dedup keys to leave out is truncated')
    keys.push({ day: view.getInt32(at, true), entries: list.subarray(at + HEADER_BYTES, end) })
    at = end
  }
  return keys
}

/** Identifies a leave-out list by its content. */
export function digestOfKeys(list: Uint8Array): string {
  return createHash('sha256').update(list).digest('hex').slice(0, 32)
}

/** Day and number of entries. */
const HEADER_BYTES = 8

/** Collects entries by day. */
export class KeyList {
  readonly #days = new Map<number, Growing>()

  add(entries: Uint32Array, at: number, day: number): void {
    let growing = this.#days.get(day)
    if (!growing) {
      growing = { words: new Uint32Array(FIRST_WORDS), length: 0 }
      this.#days.set(day, growing)
    }
    if (growing.length === growing.words.length) {
      const larger = new Uint32Array(2 * growing.length)
      larger.set(growing.words)
      growing.words = larger
    }
    const { words, length } = growing
    words[length] = entries[at]
    words[length + 1] = entries[at + 1]
    words[length + 2] = entries[at + 2]
    words[length + 3] = entries[at + 3]
    growing.length = length + 4
  }

  get isEmpty(): boolean {
    return this.#days.size === 0
  }

  /** Memory in bytes. */
  get bytes(): number {
    return [...this.#days.values()].reduce((sum, { words }) => sum + words.byteLength, 0)
  }

  /** In memory of their own, as long as they are: they can be transferred to another thread. */
  keys(): DayKeys[] {
    return [...this.#days].map(([day, { words, length }]) => ({ day, entries: bytesOf(words.slice(0, length)) }))
  }
}

interface Growing {
  words: Uint32Array
  length: number
}

const FIRST_WORDS = 64
