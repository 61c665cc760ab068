import type { Segment } from '../paths/grammar.ts'
import type { RecordsPath } from './records-path.ts'

/** A place in a path, reached by the keys so far. */
export interface PathState {
  /** Number of the step. */
  readonly step: number
  /** The key that the path leaves open, and that was found: see `hasOpenKey`. */
  readonly key: string | undefined
}

interface Step {
  /** Undefined after the last segment: the value is a record. */
  readonly segment: Segment | undefined
  readonly isLast: boolean
  /** The step after `**`. */
  readonly isAfterDeep: boolean
  /** The key of this step is the one that `keyAs` writes. */
  readonly isOpenKey: boolean
}

/** Matches the keys of a document against several paths at once. */
export class PathMatcher {
  readonly #steps: Step[] = []
  readonly #starts: number[] = []

  constructor(paths: readonly RecordsPath[]) {
    for (const { segments } of paths) {
      this.#starts.push(this.#steps.length)
      const openKey = segments.findLastIndex(leavesKeyOpen)
      for (const [at, segment] of [...segments, undefined].entries()) {
        const isAfterDeep = segments[at - 1]?.kind === 'deep'
        this.#steps.push({ segment, isLast: at === segments.length - 1, isAfterDeep, isOpenKey: at === openKey })
      }
    }
  }

  /** The states of the document itself. */
  start(): PathState[] {
    const states: PathState[] = []
    for (const step of this.#starts) this.#add(states, step, undefined)
    return states
  }

  /** The states of a member of an object. */
  member(states: readonly PathState[], member: string): PathState[] {
    const next: PathState[] = []
    for (const { step, key } of states) {
      const { segment, isOpenKey } = this.#steps[step]
      if (segment?.kind === 'deep') this.#add(next, step, key)
      else if (segment !== undefined && matches(segment, member)) this.#add(next, step + 1, isOpenKey ? member : key)
    }
    return next
  }

  /** The states of each element of an array. */
  element(states: readonly PathState[]): PathState[] {
    const next: PathState[] = []
    for (const { step, key } of states) {
      const kind = this.#steps[step].segment?.kind
      if (kind === 'deep') this.#add(next, step, key)
      else if (kind === 'elements') this.#add(next, step + 1, key)
    }
    return next
  }

  /** The state of a record; undefined if the value is none. */
  record(states: readonly PathState[]): PathState | undefined {
    return states.find(({ step }) => this.#steps[step].segment === undefined)
  }

  /** What may be in place of the value: the records are its elements or its members. */
  container(states: readonly PathState[]): {
    readonly array: boolean
    readonly object: boolean
    readonly strict: boolean
  } {
    const last = states.map(({ step }) => this.#steps[step]).filter(({ isLast }) => isLast)
    return {
      array: last.some(({ segment }) => segment?.kind === 'elements'),
      object: last.some(({ segment }) => segment?.kind === 'members'),
      strict: last.some(({ isAfterDeep }) => !isAfterDeep),
    }
  }

  /** Any number of values may be in this one, so none is no mistake. */
  isOpen(states: readonly PathState[], isArray: boolean): boolean {
    return states.some(({ step }) => this.#steps[step].segment?.kind === (isArray ? 'elements' : 'members'))
  }

  /** A key that leads on from an object; undefined if any key may. */
  wantedKey(states: readonly PathState[]): string | undefined {
    for (const { step } of states) {
      const { segment } = this.#steps[step]
      if (segment?.kind === 'keys') return segment.keys[0]
    }
    return undefined
  }

  /** `**` may match nothing. */
  #add(states: PathState[], step: number, key: string | undefined): void {
    states.push({ step, key })
    if (this.#steps[step].segment?.kind === 'deep') this.#add(states, step + 1, key)
  }
}

/** True if the path leaves a key open that `keyAs` can write: with `*`, `{a,b}` or a pattern. */
export function hasOpenKey({ segments }: RecordsPath): boolean {
  return segments.some(leavesKeyOpen)
}

function leavesKeyOpen(segment: Segment): boolean {
  return (
    segment.kind === 'members' || segment.kind === 'pattern' || (segment.kind === 'keys' && segment.keys.length > 1)
  )
}

function matches(segment: Segment, key: string): boolean {
  if (segment.kind === 'keys') return segment.keys.includes(key)
  if (segment.kind === 'pattern') return segment.pattern.test(key)
  return segment.kind === 'members'
}
