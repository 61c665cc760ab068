import type { Finding } from '../../component.ts'
import { same, sourceFindings, targetFindings } from '../members/target-findings.ts'

/** The mistakes in the list of `rename`. */
export function* findingsOf(members: readonly { readonly from: string; readonly to: string }[]): Generator<Finding> {
  const targets = members.map(({ to }) => to)
  for (const [index, { from, to }] of members.entries()) {
    const at = ['members', index]
    yield* sourceFindings(from, [...at, 'from'])
    if (same(from, to)) yield { at: [...at, 'to'], message: `${from} is renamed to itself`, hint: 'leave it out' }
    else yield* targetFindings(targets, index, [...at, 'to'])
    if (members.findIndex((other) => same(other.from, from)) < index) {
      const hint = 'move it once; to have it twice, copy it with set'
      yield { at: [...at, 'from'], message: `${from} is moved twice`, hint }
    }
  }
}
