import { Edit } from '../../../record/batch.ts'
import type { Batch } from '../../../record/batch.ts'
import { FIRST_TOKEN } from '../../../record/edits.ts'
import { QUOTE } from '../../../record/json/ascii.ts'
import { Trait, traitsIn } from '../../../record/paths/traits.ts'
import { HIT_STRIDE } from '../../../record/scan.ts'
import { lastNumberOfIpv4 } from '../actions/ipv4-network.ts'

/**
 * The current string or number at a hit, for rules that search it one after the other: it is located, and
 * its traits are found, once for all of them.
 */
export class SearchedText {
  /** The value without quotes is in `[start, end)` of these. */
  bytes: Buffer = NONE
  start = 0
  end = 0
  isNumber = false
  /** The `Trait`s of any of the rules. */
  #wanted = 0
  #traits = UNKNOWN
  #last = UNKNOWN
  #batch: Batch | undefined
  #hit = -1
  #edit = 0

  /** Before the first search: a rule needs to know of these traits. */
  want(traits: number): void {
    this.#wanted |= traits
  }

  /** Goes to a hit. A later rule sees the replacement of an earlier one. */
  moveTo(batch: Batch, hit: number): void {
    const edit = batch.edits[hit]
    if (hit === this.#hit && edit === this.#edit && batch === this.#batch) return
    this.#batch = batch
    this.#hit = hit
    this.#edit = edit
    this.#traits = UNKNOWN
    this.#last = UNKNOWN
    let start: number
    let end: number
    if (edit >= FIRST_TOKEN) {
      const { bytes, starts } = batch.tokens
      this.bytes = bytes
      start = starts[edit - FIRST_TOKEN]
      end = starts[edit - FIRST_TOKEN + 1]
    } else {
      const { hits } = batch.index
      this.bytes = batch.bytes
      start = hits[HIT_STRIDE * hit + 2]
      end = edit === Edit.keep ? hits[HIT_STRIDE * hit + 3] : start
    }
    this.isNumber = this.bytes[start] !== QUOTE
    const quote = this.isNumber ? 0 : 1
    this.start = start + quote
    this.end = end - quote
  }

  /** Keeps nothing of the batch, whose memory is used again. */
  leave(): void {
    this.#batch = undefined
    this.bytes = NONE
  }

  /** The wanted traits of a string. */
  get traits(): number {
    if (this.#traits === UNKNOWN) {
      const { bytes, start, end } = this
      this.#traits = this.last < 0 ? traitsIn(bytes, start, end, this.#wanted) : this.#wanted & Trait.dots
    }
    return this.#traits
  }

  /** If the string is an IPv4 address, where its last number begins; -1 otherwise. */
  get last(): number {
    if (this.#last === UNKNOWN) this.#last = lastNumberOfIpv4(this.bytes, this.start, this.end)
    return this.#last
  }
}

const NONE = Buffer.alloc(0)
const UNKNOWN = -2
