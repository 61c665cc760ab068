import { diffArrays } from 'diff'

/** A line of a diff. */
export interface DiffLine {
  /** Unchanged, added or removed. */
  readonly sign: ' ' | '+' | '-'
  readonly text: string
}

/** The lines of a record before and after a change. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  return diffArrays([...before], [...after], { comparator: isSameMember }).flatMap(({ value, added, removed }) => {
    const sign = added ? '+' : removed ? '-' : ' '
    return value.map((text): DiffLine => ({ sign, text }))
  })
}

/** Ignores a trailing comma, which a member gets when it stops being the last one. */
function isSameMember(one: string, other: string): boolean {
  return one.replace(/,$/, '') === other.replace(/,$/, '')
}
