import type { RejectCode } from '../../errors.ts'

/**
 * Why an expression has no value for a record. The message names a place of the expression and the kind
 * of the problem, never content of the record. Faults are made once and thrown many times: they have no
 * stack of their own.
 */
export class Fault extends Error {
  readonly code: Extract<RejectCode, 'EXPRESSION_FAILED' | 'EXPRESSION_LIMIT'>

  constructor(message: string, code: Fault['code'] = 'EXPRESSION_FAILED') {
    super(message)
    this.code = code
  }
}

/** Throws the fault of one part of an expression. */
export type Fail = (problem: string) => never

/** @param at offset of the part in the text of the expression */
export function failAt(at: number): Fail {
  const known = new Map<string, Fault>()
  return (problem) => {
    const fault = known.get(problem) ?? new Fault(`at character ${at + 1}: ${problem}`)
    known.set(problem, fault)
    throw fault
  }
}
