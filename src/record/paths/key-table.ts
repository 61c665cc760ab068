import { readString } from '../json/json-text.ts'

const WAYS = 8
const SETS = 512
/** Longer keys are not cached. */
const KEY_BYTES = 64

/** `Automaton.step`: the transition of a state for a decoded key. */
type Step = (state: number, key: string) => number

/**
 * A cache of transitions by (state, raw key). Its size is fixed: a stream of ever new keys costs
 * time, but no memory.
 */
export class KeyTable {
  readonly #step: Step
  /** By slot: state << 8 | length of the key + 1; 0 if the slot is free. */
  readonly #names = new Int32Array(SETS * WAYS)
  readonly #transitions = new Int32Array(SETS * WAYS)
  readonly #keys = new Uint8Array(SETS * WAYS * KEY_BYTES)
  #victim = 0

  constructor(step: Step) {
    this.#step = step
  }

  /**
   * The transition for the raw key (its bytes between the quotes, escapes and all) at
   * `[start, end)`.
   */
  lookup(bytes: Buffer, state: number, start: number, end: number): number {
    const length = end - start
    if (length > KEY_BYTES) return this.#compute(bytes, state, start, end)
    const name = (state << 8) | (length + 1)
    // The byte before an empty key is its quote, so all four reads are inside the line.
    const sample =
      bytes[start] | (bytes[start + (length >> 2)] << 8) | (bytes[start + (length >> 1)] << 16) | (bytes[end - 1] << 24)
    const mixed = Math.imul(sample ^ Math.imul(name, 0x9e3779b1), 0x85ebca6b)
    const first = (mixed >>> 23) * WAYS
    const keys = this.#keys
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#names[slot] !== name) continue
      const key = slot * KEY_BYTES - start
      let at = start
      while (at < end && bytes[at] === keys[key + at]) at++
      if (at === end) return this.#transitions[slot]
    }
    const transition = this.#compute(bytes, state, start, end)
    this.#store(first, name, transition, bytes, start, end)
    return transition
  }

  #compute(bytes: Buffer, state: number, start: number, end: number): number {
    const raw = bytes.toString('utf8', start, end)
    return this.#step(state, raw.includes('\\') ? readString(`"${raw}"`) : raw)
  }

  #store(first: number, name: number, transition: number, bytes: Buffer, start: number, end: number): void {
    let slot = first
    while (slot < first + WAYS && this.#names[slot] !== 0) slot++
    if (slot === first + WAYS) slot = first + (this.#victim++ & (WAYS - 1))
    this.#names[slot] = name
    this.#transitions[slot] = transition
    this.#keys.set(bytes.subarray(start, end), slot * KEY_BYTES)
  }
}
