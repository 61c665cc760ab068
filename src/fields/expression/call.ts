import type { Fail } from './fault.ts'
import type { Frame } from './frame.ts'
import type { Value } from './values.ts'

/** A call of a function. The value before the dot is the first argument. */
export interface Call {
  readonly frame: Frame
  readonly fail: Fail
}

export interface ExpressionFunction {
  /** Forms of a call: `global` is f(x), `method` is x.f(). */
  readonly form: 'global' | 'method' | 'both'
  /** Numbers of arguments that it can have, with the value before the dot. */
  readonly counts: readonly number[]
  readonly run: (args: readonly Value[], call: Call) => Value
}
