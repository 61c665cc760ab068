import type { BinaryOp } from './tree.ts'
import type { Fail } from './fault.ts'
import type { Frame } from './frame.ts'
import { MAX_TIME, MIN_TIME } from './times.ts'
import {
  Duration,
  isEqual,
  isList,
  isMap,
  isNumber,
  kindOf,
  MAX_INT,
  memberOf,
  MIN_INT,
  order,
  Timestamp,
} from './values.ts'
import type { Value } from './values.ts'

export type Operator = (left: Value, right: Value, frame: Frame, fail: Fail) => Value

/** The operators that evaluate both sides. Ints and doubles may be mixed: the result is then a double. */
export const operators: { readonly [Op in Exclude<BinaryOp, '&&' | '||'>]: Operator } = {
  '==': (left, right, frame) => isEqual(left, right, (steps) => frame.spend(steps)),
  '!=': (left, right, frame) => !isEqual(left, right, (steps) => frame.spend(steps)),
  '<': (left, right, frame, fail) => ordered(left, right, frame, fail) < 0,
  '<=': (left, right, frame, fail) => ordered(left, right, frame, fail) <= 0,
  '>': (left, right, frame, fail) => ordered(left, right, frame, fail) > 0,
  '>=': (left, right, frame, fail) => ordered(left, right, frame, fail) >= 0,
  '+': add,
  '-': subtract,
  '*': (left, right, _frame, fail) => {
    if (typeof left === 'bigint' && typeof right === 'bigint') return int(left * right, fail)
    if (isNumber(left) && isNumber(right)) return double(Number(left) * Number(right), fail)
    return noOperator('*', left, right, fail)
  },
  '/': (left, right, _frame, fail) => {
    if (!isNumber(left) || !isNumber(right)) return noOperator('/', left, right, fail)
    // oxlint-disable-next-line eqeqeq -- 0, 0.0 and -0.0
    if (right == 0) return fail('division by zero')
    if (typeof left === 'bigint' && typeof right === 'bigint') return int(left / right, fail)
    return double(Number(left) / Number(right), fail)
  },
  '%': (left, right, _frame, fail) => {
    if (typeof left !== 'bigint' || typeof right !== 'bigint') return noOperator('%', left, right, fail)
    return right === 0n ? fail('division by zero') : left % right
  },
  in: (left, right, frame, fail) => {
    if (isMap(right)) return memberOf(right, left) !== undefined
    if (!isList(right)) return fail(`"in" needs a list or a map, not ${kindOf(right)}`)
    frame.spend(right.length)
    return right.some((item) => isEqual(left, item, (steps) => frame.spend(steps)))
  },
}

export function negative(value: Value, fail: Fail): Value {
  if (typeof value === 'bigint') return int(-value, fail)
  if (typeof value === 'number') return -value
  return fail(`"-" cannot be applied to ${kindOf(value)}`)
}

/** @throws Fault if it has more than 64 bits */
export function int(value: bigint, fail: Fail): bigint {
  return value < MIN_INT || value > MAX_INT ? fail('the result is an int of more than 64 bits') : value
}

/** @throws Fault for NaN and infinities */
export function double(value: number, fail: Fail): number {
  return Number.isFinite(value) ? value : fail('the result is beyond the range of doubles')
}

/** @throws Fault for a year beyond 1 to 9999 */
export function timestamp(nanoseconds: bigint, fail: Fail): Timestamp {
  if (nanoseconds < MIN_TIME || nanoseconds > MAX_TIME) return fail('the result is beyond the years 1 to 9999')
  return new Timestamp(nanoseconds)
}

function add(left: Value, right: Value, frame: Frame, fail: Fail): Value {
  if (typeof left === 'bigint' && typeof right === 'bigint') return int(left + right, fail)
  if (isNumber(left) && isNumber(right)) return double(Number(left) + Number(right), fail)
  if (typeof left === 'string' && typeof right === 'string') {
    frame.spend((left.length + right.length) >> 4)
    return left + right
  }
  if (left instanceof Duration && right instanceof Duration) {
    return new Duration(int(left.nanoseconds + right.nanoseconds, fail))
  }
  if (
    (left instanceof Timestamp && right instanceof Duration) ||
    (left instanceof Duration && right instanceof Timestamp)
  ) {
    return timestamp(left.nanoseconds + right.nanoseconds, fail)
  }
  if (isList(left) && isList(right)) {
    frame.spend(left.length + right.length)
    return [...left, ...right]
  }
  return noOperator('+', left, right, fail)
}

function subtract(left: Value, right: Value, _frame: Frame, fail: Fail): Value {
  if (typeof left === 'bigint' && typeof right === 'bigint') return int(left - right, fail)
  if (isNumber(left) && isNumber(right)) return double(Number(left) - Number(right), fail)
  if (left instanceof Timestamp && right instanceof Duration)
    return timestamp(left.nanoseconds - right.nanoseconds, fail)
  if (
    (left instanceof Timestamp && right instanceof Timestamp) ||
    (left instanceof Duration && right instanceof Duration)
  ) {
    return new Duration(int(left.nanoseconds - right.nanoseconds, fail))
  }
  return noOperator('-', left, right, fail)
}

function ordered(left: Value, right: Value, frame: Frame, fail: Fail): number {
  if (typeof left === 'string' && typeof right === 'string') frame.spend(Math.min(left.length, right.length) >> 4)
  return order(left, right) ?? fail(`${kindOf(left)} and ${kindOf(right)} cannot be compared`)
}

function noOperator(op: string, left: Value, right: Value, fail: Fail): never {
  return fail(`"${op}" cannot be applied to ${kindOf(left)} and ${kindOf(right)}`)
}
