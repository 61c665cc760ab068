import type { Finding } from '../../component.ts'
import { compileExpression } from '../../fields/expression/expression.ts'
import { orderFindings, targetFindings } from '../members/target-findings.ts'
import type { MemberConfig } from './member.ts'

/** The mistakes in the list of `compute`. */
export function* findingsOf(members: readonly MemberConfig[]): Generator<Finding> {
  const targets = members.map(({ path }) => path)
  for (const [index, { path, value }] of members.entries()) {
    const at = ['members', index]
    yield* targetFindings(targets, index, [...at, 'path'])
    const { reads } = compileExpression(value)
    yield* orderFindings({ path, reads }, targets, [...at, 'value'], 'compute')
  }
}
