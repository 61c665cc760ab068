import { matchesKey } from './automaton.ts'
import { parsePath } from './grammar.ts'
import type { Segment } from './grammar.ts'

/**
 * Whether a change of all values at `path` can change the value at `target`, a path of keys: `path`
 * matches this value, a value around it, or a value inside it. A path that leads into every value
 * (`**.password`) does not count as one that leads into this value.
 * @throws SluiceError PATH_INVALID
 */
export function reaches(path: string, target: string): boolean {
  return covers(path, target) || leadsInto(path, target)
}

/**
 * Whether `path` matches the value at `target`, a path of keys, or a value around it.
 * @throws SluiceError PATH_INVALID
 */
export function covers(path: string, target: string): boolean {
  return follow(path, target) === undefined
}

/** Whether `path` matches values inside the value at `target`. */
function leadsInto(path: string, target: string): boolean {
  const segments = parsePath(path)
  const named = segments.findIndex(({ kind }) => kind !== 'deep')
  return follow(path, target)?.some((at) => at > named) === true
}

/** The positions in `path` that `target` leads to; undefined if `path` ends there or before. */
function follow(path: string, target: string): readonly number[] | undefined {
  return followKeys(
    parsePath(path),
    parsePath(target).flatMap((segment) => (segment.kind === 'keys' ? segment.keys : [])),
  )
}

/** Whether a path may match the value at these keys, a value around it, or anything inside it. */
export function mayMeet(segments: readonly Segment[], keys: readonly string[]): boolean {
  return followKeys(segments, keys)?.length !== 0
}

function followKeys(segments: readonly Segment[], keys: readonly string[]): readonly number[] | undefined {
  let reached = enter(segments, [0])
  for (const key of keys) {
    const next: number[] = []
    for (const at of reached) {
      if (segments[at].kind === 'deep') next.push(at)
      else if (matchesKey(segments[at], key)) next.push(at + 1)
    }
    // A last `**` matches the values inside the value that it has reached.
    if (next.includes(segments.length) || (isDeepEnd(segments) && next.includes(segments.length - 1))) return undefined
    reached = enter(segments, next)
  }
  return reached
}

function isDeepEnd(segments: readonly Segment[]): boolean {
  return segments.at(-1)?.kind === 'deep'
}

/** `**` also matches nothing. */
function enter(segments: readonly Segment[], positions: readonly number[]): number[] {
  const all = new Set<number>()
  for (let at of positions) {
    all.add(at)
    for (; segments[at]?.kind === 'deep' && at + 1 < segments.length; at++) all.add(at + 1)
  }
  return [...all]
}
