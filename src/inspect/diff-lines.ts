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

/** Lines that are left out of a diff. */
export interface DiffGap {
  readonly lines: number
}

/** The lines of a diff that are a change, or near one. */
export function nearChanges(diff: readonly DiffLine[]): (DiffLine | DiffGap)[] {
  const isNear = new Uint8Array(diff.length)
  for (const [at, { sign }] of diff.entries()) if (sign !== ' ') isNear.fill(1, Math.max(0, at - NEAR), at + NEAR + 1)
  const near: (DiffLine | DiffGap)[] = []
  let hidden = 0
  for (const [at, line] of diff.entries()) {
    if (isNear[at] === 0) {
      hidden++
      continue
    }
    if (hidden > 0) near.push({ lines: hidden })
    hidden = 0
    near.push(line)
  }
  return hidden > 0 ? [...near, { lines: hidden }] : near
}

/** Lines of context. */
const NEAR = 3

/** Ignores a trailing comma, which a member gets when it stops being the last one. */
function isSameMember(one: string, other: string): boolean {
  return one.replace(/,$/, '') === other.replace(/,$/, '')
}
