import type { Segment } from './grammar.ts'
import type { Needles } from './needles.ts'
import { KeyTable } from './key-table.ts'

/**
 * A transition is one number: the next state in the upper 16 bits, the accept set in the lower 16.
 */
export const ACCEPT_MASK = 0xffff
export const DEAD = 0
export const START = 1
/** Marks a transition for elements that is not computed yet. Real transitions are not negative. */
const UNKNOWN = -1

/** Both must fit 16 bits in transitions and hits; states leave the sign bit free. */
export const MAX_STATES = 0x7fff
const MAX_ACCEPTS = 0xffff
/**
 * An automaton larger than this is replaced before the next scan, so that hostile keys cannot fill
 * the memory.
 */
const WORN = 4096

/** A position in a path: number of the path << 8 | number of the segment to match next. */
type Item = number

/**
 * Matches all paths of a pipeline at once. It is a deterministic automaton that is built lazily,
 * while the scanner meets keys.
 *
 * A state is the set of positions in the paths that the current value has reached. It gets a number
 * when it is first reached. A transition leads from a state over a member key or an array element
 * to the state of the inner value, together with its accept set: the set of paths that end at this
 * value. The accept set is stored in the hit, so a value has one hit, however many paths match it.
 *
 * Path syntax, wildcards and patterns are known only here. The scanner follows numbers: it looks up
 * (state, raw key bytes) in a cache (`KeyTable`, or the tables of the WebAssembly module) and calls
 * `step` once for a pair that it has not seen. `step` receives the decoded key, so an escaped key
 * matches too.
 *
 * Size: states and accept sets fit 16 bits. If a transition cannot be numbered, the automaton is
 * `full`, and the scan stops before the record that filled it. An automaton that has grown too
 * large (`worn`) is replaced before the next scan.
 */
export class Automaton {
  /**
   * The paths of each accept set, by its number. It only grows. Indexes refer to this array, so
   * they stay valid.
   */
  readonly accepts: (readonly number[])[] = [[]]
  readonly table = new KeyTable((state, key) => this.step(state, key))
  /** 1 for each path that consists of keys only. */
  readonly plain: Uint8Array
  /** What the scanner searches in strings; undefined if no path watches. */
  readonly needles: Needles | undefined
  /** The `Trait`s that the scanner looks for in strings; 0 for none. */
  readonly traits: number
  readonly #watched: number
  readonly #traced: number
  readonly #paths: readonly (readonly Segment[])[]
  readonly #states: (readonly Item[])[] = [[]]
  /** By state: the transition for an element of an array. */
  readonly #elements = new Int32Array(MAX_STATES + 1).fill(UNKNOWN)
  readonly #stateNumbers = new Map<string, number>([['', DEAD]])
  readonly #acceptNumbers = new Map<string, number>([['', 0]])
  #full = false

  constructor(paths: readonly (readonly Segment[])[], plain: Uint8Array, watch?: Watch, trace?: Trace) {
    this.#paths = paths
    this.plain = plain
    this.needles = watch?.needles
    this.#watched = watch?.path ?? -1
    this.traits = trace?.traits ?? 0
    this.#traced = trace?.path ?? -1
    const start = new Set<Item>()
    for (const [path, segments] of paths.entries()) if (segments.length > 0) this.#enter(start, path, 0)
    // The start state has its number even without any paths.
    this.#states.push([...start])
    this.#stateNumbers.set([...start].join(), START)
  }

  get pathCount(): number {
    return this.#paths.length
  }

  /** True if a transition could not be numbered: discard everything that was scanned since then. */
  get full(): boolean {
    return this.#full
  }

  /** True if the automaton should be replaced before the next scan. */
  get worn(): boolean {
    return this.#full || this.#states.length > WORN || this.accepts.length > WORN
  }

  /** The transition for a member. `key` is decoded. */
  step(state: number, key: string): number {
    return this.#follow(state, (segment) => matchesKey(segment, key))
  }

  /** The transition for an element of an array. */
  stepElement(state: number): number {
    const known = this.#elements[state]
    if (known !== UNKNOWN) return known
    const transition = this.#follow(state, (segment) => segment.kind === 'elements')
    this.#elements[state] = transition
    return transition
  }

  /** The accept set of a value that holds a needle and that the paths of `accept` match. */
  watchedSet(accept: number): number {
    return this.#acceptOf([...this.accepts[accept], this.#watched])
  }

  /** The accept set of a value that has a trait and that the paths of `accept` match. */
  traitSet(accept: number): number {
    return this.#acceptOf([...this.accepts[accept], this.#traced])
  }

  #follow(state: number, matches: (segment: Segment) => boolean): number {
    const next = new Set<Item>()
    const accepted: number[] = []
    for (const item of this.#states[state]) {
      const path = item >> 8
      const at = item & 0xff
      const segments = this.#paths[path]
      const last = at + 1 === segments.length
      if (segments[at].kind === 'deep') {
        this.#enter(next, path, at)
        if (last) accepted.push(path)
      } else if (matches(segments[at])) {
        if (last) accepted.push(path)
        else this.#enter(next, path, at + 1)
      }
    }
    return (this.#stateOf(next) << 16) | this.#acceptOf(accepted)
  }

  #enter(items: Set<Item>, path: number, at: number): void {
    items.add((path << 8) | at)
    const segments = this.#paths[path]
    if (segments[at].kind === 'deep' && at + 1 < segments.length) this.#enter(items, path, at + 1)
  }

  #stateOf(items: ReadonlySet<Item>): number {
    const sorted = [...items].toSorted((a, b) => a - b)
    const name = sorted.join()
    const known = this.#stateNumbers.get(name)
    if (known !== undefined) return known
    if (this.#states.length > MAX_STATES) {
      this.#full = true
      return DEAD
    }
    this.#stateNumbers.set(name, this.#states.length)
    return this.#states.push(sorted) - 1
  }

  #acceptOf(paths: readonly number[]): number {
    const sorted = [...new Set(paths)].toSorted((a, b) => a - b)
    const name = sorted.join()
    const known = this.#acceptNumbers.get(name)
    if (known !== undefined) return known
    if (this.accepts.length > MAX_ACCEPTS) {
      this.#full = true
      return 0
    }
    this.#acceptNumbers.set(name, this.accepts.length)
    return this.accepts.push(sorted) - 1
  }
}

/** The path whose hits are the strings that hold a needle. It has no segments. */
export interface Watch {
  readonly path: number
  readonly needles: Needles
}

/** The path whose hits are the strings and numbers with a trait. It has no segments. */
export interface Trace {
  readonly path: number
  readonly traits: number
}

/** Whether a segment leads over a member with this key, which is decoded. */
export function matchesKey(segment: Segment, key: string): boolean {
  if (segment.kind === 'keys') return segment.keys.includes(key)
  if (segment.kind === 'pattern') return segment.pattern.test(key)
  return segment.kind === 'members'
}
