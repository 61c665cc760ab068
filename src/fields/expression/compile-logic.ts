import { Fault } from './fault.ts'
import type { Fail } from './fault.ts'
import type { Run } from './frame.ts'
import { kindOf } from './values.ts'
import type { Value } from './values.ts'

/**
 * `&&` and `||`, as CEL has them: a side that decides alone makes up for a fault of the other one, also of
 * the left one. A fault of the step limit always ends the evaluation.
 */
export function compileLogic(op: '&&' | '||', left: Run, right: Run, fail: Fail): Run {
  const decisive = op === '||'
  return (frame) => {
    let fault: Fault | undefined
    let value: Value = decisive
    try {
      value = left(frame)
    } catch (error) {
      fault = faultOf(error)
    }
    if (fault === undefined && value === decisive) return decisive
    const other = right(frame)
    if (other === decisive) return decisive
    if (fault !== undefined) throw fault
    if (typeof value !== 'boolean') return fail(`"${op}" needs a bool, not ${kindOf(value)}`)
    return typeof other === 'boolean' ? other : fail(`"${op}" needs a bool, not ${kindOf(other)}`)
  }
}

/** A fault that another value can make up for. Throws any other error. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault && error.code === 'EXPRESSION_FAILED') return error
  throw error
}
