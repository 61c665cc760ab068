import type { Finding } from '../../component.ts'
import { keysOf } from '../../record/paths/path.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import { orderFindings, same, sourceFindings, targetFindings } from '../members/target-findings.ts'
import { sourcesOf } from './member.ts'
import type { MemberConfig } from './member.ts'

/** The mistakes in the list of `set`. */
export function* findingsOf(members: readonly MemberConfig[]): Generator<Finding> {
  const targets = members.map(({ path }) => path)
  for (const [index, member] of members.entries()) {
    const { path, value, from, template } = member
    const at = ['members', index]
    const given = Object.entries({ value, from, template }).flatMap(([name, one]) => (one === undefined ? [] : name))
    if (given.length === 0) {
      yield { at: [...at, 'path'], message: `${path} gets no value`, hint: 'add one of value, from and template' }
    }
    if (given.length > 1) {
      yield { at: [...at, given[1]], message: `${path} has ${given.join(' and ')}; it can have one of them` }
    }
    yield* targetFindings(targets, index, [...at, 'path'])
    if (from !== undefined) yield* sourceFindings(from, [...at, 'from'])
    if (from !== undefined && same(from, path)) {
      yield { at: [...at, 'from'], message: `${path} is copied onto itself`, hint: 'leave it out' }
    } else {
      const reads = sourcesOf(member).filter((source) => keysOf(parsePath(source)) !== undefined)
      yield* orderFindings({ path, reads }, targets, [...at, from === undefined ? 'template' : 'from'], 'set')
    }
    if (typeof value === 'string' && /\{record\./.test(value)) {
      const message = `the value of ${path} is a constant: {record.…} in it stays as it is`
      yield { at: [...at, 'value'], message, hint: 'write template in place of value', severity: 'warning' }
    }
  }
}
