import { GrowingBytes, GrowingNumbers } from './growing.ts'
import { NOT_FOUND } from './table.ts'
import { TableProblem } from './table-problem.ts'

/** Finds rows by the bytes of their key: a hash table with open addressing, of about 12 bytes a row. */
export class ExactKeys {
  readonly #bytes: Buffer
  readonly #ends: Uint32Array
  readonly #slots: Uint32Array

  constructor({ bytes, ends, slots }: { bytes: Buffer; ends: Uint32Array; slots: Uint32Array }) {
    this.#bytes = bytes
    this.#ends = ends
    this.#slots = slots
  }

  /** The row whose key is in `[start, end)`, or NOT_FOUND. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hashOf(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]
      if (entry === 0) return NOT_FOUND
      const first = entry === 1 ? 0 : this.#ends[entry - 2]
      if (this.#ends[entry - 1] - first !== end - start) continue
      let at = start
      while (at < end && bytes[at] === this.#bytes[first + at - start]) at++
      if (at === end) return entry - 1
    }
  }
}

export class ExactKeysBuilder {
  readonly #bytes = new GrowingBytes()
  readonly #ends = new GrowingNumbers()
  readonly #lines = new GrowingNumbers()

  add(key: Uint8Array, line: number): void {
    this.#bytes.append(key)
    this.#ends.push(this.#bytes.length)
    this.#lines.push(line)
  }

  /** @throws TableProblem if two rows have the same key */
  finish(): ExactKeys {
    const count = this.#ends.length
    const ends = this.#ends.finish()
    // Half of the slots stay free.
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * count + 1)))
    const keys = new ExactKeys({ bytes: this.#bytes.finish(), ends, slots })
    const { bytes } = this.#bytes
    const mask = slots.length - 1
    for (let row = 0; row < count; row++) {
      const [start, end] = [row === 0 ? 0 : ends[row - 1], ends[row]]
      const other = keys.find(bytes, start, end)
      if (other !== NOT_FOUND) throw sameKey(this.#lines.at(other), this.#lines.at(row))
      let slot = hashOf(bytes, start, end) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = row + 1
    }
    return keys
  }
}

export function sameKey(one: number, other: number): TableProblem {
  const hint = 'leave one row for each key; to join by several columns, make one column of them'
  return new TableProblem(['by'], `has the same key in line ${one} and in line ${other}`, hint)
}

/** FNV-1a, and its bits mixed once more: the slots take the lowest ones. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
