import type { Finding } from '../../component.ts'
import { compileExpression } from '../../fields/expression/expression.ts'
import { reaches } from '../../record/paths/reaches.ts'
import { same, targetFindings } from '../members/target-findings.ts'
import type { MemberConfig } from './member.ts'

/** The mistakes in the list of `compute`. */
export function* findingsOf(members: readonly MemberConfig[]): Generator<Finding> {
  const targets = members.map(({ path }) => path)
  for (const [index, { path, value }] of members.entries()) {
    const at = ['members', index]
    yield* targetFindings(targets, index, [...at, 'path'])
    const others = targets.filter((other) => !same(other, path))
    const read = compileExpression(value).reads.find((source) => others.some((other) => reaches(other, source)))
    if (read === undefined) continue
    yield {
      at: [...at, 'value'],
      message: `${read} is read as it comes in, not as this stage sets it`,
      hint: 'to read the new value, put this member into a second compute stage',
      severity: 'note',
    }
  }
}
