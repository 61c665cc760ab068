import { NOT_FOUND } from './table.ts'
import type { Cidr, Words } from './address.ts'
import { sameKey } from './exact-keys.ts'

/**
 * Finds the row of the smallest range that contains an address. Ranges that contain others are cut
 * into borders: from each on, one row holds. So a search is a binary search, whatever is nested.
 */
export class Ranges {
  readonly #width: number
  /** Addresses in order, `width` words each. */
  readonly #starts: Uint32Array
  /** The row from each start on, plus 1; 0 for none. */
  readonly #rows: Uint32Array

  private constructor(width: number, starts: readonly number[], rows: readonly number[]) {
    this.#width = width
    this.#starts = Uint32Array.from(starts)
    this.#rows = Uint32Array.from(rows)
  }

  /**
   * @param ranges of one version, in any order
   * @throws TableProblem if one is there twice
   */
  static of(ranges: readonly Range[], version: 4 | 6): Ranges {
    const width = version === 4 ? 1 : 4
    const ordered = ranges.toSorted((a, b) => compare(a.words, b.words) || a.bits - b.bits)
    const starts: number[] = []
    const rows: number[] = []
    const open: Range[] = []
    const begin = (words: readonly number[], row: number): void => {
      const last = starts.length - width
      if (last >= 0 && words.every((word, at) => word === starts[last + at])) rows[rows.length - 1] = row
      else {
        starts.push(...words)
        rows.push(row)
      }
    }
    const close = (): void => {
      const after = open.pop()
      const next = after && addressAfter(after)
      const outer = open.at(-1)
      if (next) begin(next, outer === undefined ? 0 : outer.row + 1)
    }
    for (const range of ordered) {
      for (let top = open.at(-1); top && !contains(top, range.words); top = open.at(-1)) close()
      const top = open.at(-1)
      if (top?.bits === range.bits) throw sameKey(Math.min(top.line, range.line), Math.max(top.line, range.line))
      begin(range.words, range.row + 1)
      open.push(range)
    }
    while (open.length > 0) close()
    return new Ranges(width, starts, rows)
  }

  find(words: Words): number {
    const width = this.#width
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isAtOrBefore(middle * width, words)) low = middle + 1
      else high = middle
    }
    return low === 0 ? NOT_FOUND : this.#rows[low - 1] - 1
  }

  #isAtOrBefore(start: number, words: Words): boolean {
    for (let word = 0; word < this.#width; word++) {
      const difference = this.#starts[start + word] - words[word]
      if (difference !== 0) return difference < 0
    }
    return true
  }
}

/** A range, and the row and line of the table that has it. */
export interface Range extends Cidr {
  readonly row: number
  readonly line: number
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let word = 0; word < a.length; word++) if (a[word] !== b[word]) return a[word] - b[word]
  return 0
}

function contains({ words, bits }: Range, address: readonly number[]): boolean {
  return words.every((word, at) => ((word ^ address[at]) & maskOf(bits - 32 * at)) === 0)
}

/** The bits of a word that are in a prefix. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffffffff : 0xffffffff << (32 - bits)
}

/** The first address after a range; undefined at the end of all addresses. */
function addressAfter({ words, bits }: Range): readonly number[] | undefined {
  if (bits === 0) return undefined
  const next = [...words]
  let word = (bits - 1) >> 5
  let step = 2 ** (31 - ((bits - 1) & 31))
  for (; word >= 0; word--, step = 1) {
    next[word] += step
    if (next[word] < 2 ** 32) return next
    next[word] = 0
  }
  return undefined
}
