import type { Segment } from './grammar.ts'
import { KeyTable } from './key-table.ts'

/** A transition is one number: the next state in the upper half, the accept set in the lower. */
export const ACCEPT_MASK = 0xffff
export const DEAD = 0
export const START = 1
/** What stands for the transition of an element before it was asked for. No real transition is negative. */
const UNKNOWN = -1

/** Both fit 16 bits, as transitions and hits need; states leave the sign bit free. */
export const MAX_STATES = 0x7fff
const MAX_ACCEPTS = 0xffff
/** An automaton that has grown beyond this is replaced before the next scan, so that hostile keys cost no memory. */
const WORN = 4096

/** A place in the paths: number of the path << 8 | number of the segment that is to match next. */
type Item = number

/**
 * Finds all paths at once: a state is the set of places in the paths where a value may stand, made when it is first reached. Key syntax,
 * wildcards and patterns live here; the scanner only follows numbers.
 */
export class Automaton {
  /**
   * The paths of each accept set, by its number. It only grows: indexes that were made with this automaton stay valid, and refer
   * to this very array.
   */
  readonly accepts: (readonly number[])[] = [[]]
  readonly table = new KeyTable((state, key) => this.step(state, key))
  /** 1 for the paths that consist of keys alone. */
  readonly plain: Uint8Array
  readonly #paths: readonly (readonly Segment[])[]
  readonly #states: (readonly Item[])[] = [[]]
  /** By state: the transition for an element of an array. */
  readonly #elements = new Int32Array(MAX_STATES + 1).fill(UNKNOWN)
  readonly #stateNumbers = new Map<string, number>([['', DEAD]])
  readonly #acceptNumbers = new Map<string, number>([['', 0]])
  #full = false

  constructor(paths: readonly (readonly Segment[])[], plain: Uint8Array) {
    this.#paths = paths
    this.plain = plain
    const start = new Set<Item>()
    for (const path of paths.keys()) this.#enter(start, path, 0)
    // The start state keeps its number even when there are no paths.
    this.#states.push([...start])
    this.#stateNumbers.set([...start].join(), START)
  }

  get pathCount(): number {
    return this.#paths.length
  }

  /** True when a transition could not be numbered any more: what was scanned since then counts for nothing. */
  get full(): boolean {
    return this.#full
  }

  get worn(): boolean {
    return this.#full || this.#states.length > WORN || this.accepts.length > WORN
  }

  /** The transition for a member, by what its key spells. */
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

function matchesKey(segment: Segment, key: string): boolean {
  if (segment.kind === 'keys') return segment.keys.includes(key)
  if (segment.kind === 'pattern') return segment.pattern.test(key)
  return segment.kind === 'members'
}
