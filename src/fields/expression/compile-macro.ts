import { faultOf } from './compile-logic.ts'
import type { Fail, Fault } from './fault.ts'
import type { Frame, Run } from './frame.ts'
import type { Macro } from './macros.ts'
import { isList, isMap, kindOf } from './values.ts'
import type { Value } from './values.ts'

interface CompiledMacro {
  readonly kind: Macro['kind']
  readonly range: Run
  /** Where the variable is in the frame. */
  readonly slot: number
  readonly body: Run
  readonly filter: Run | undefined
  /** Steps of one element. */
  readonly cost: number
}

/** A macro runs its body for each element of a list, or for each key of a map. */
export function compileMacro(macro: CompiledMacro, fail: Fail): Run {
  const { kind, range, slot, cost } = macro
  const loop = LOOPS[kind](macro, fail)
  return (frame) => {
    const value = range(frame)
    const items = itemsOf(value, frame) ?? fail(`${kind}() needs a list or a map, not ${kindOf(value)}`)
    const outer = frame.variables[slot]
    try {
      return loop(items, frame, (item) => {
        frame.spend(cost)
        frame.variables[slot] = item
      })
    } finally {
      frame.variables[slot] = outer
    }
  }
}

function itemsOf(value: Value, frame: Frame): readonly Value[] | undefined {
  if (isList(value)) return value
  if (!isMap(value)) return undefined
  frame.spend(value.size)
  return [...value.keys()]
}

type Loop = (items: readonly Value[], frame: Frame, enter: (item: Value) => void) => Value

const LOOPS: { readonly [Kind in Macro['kind']]: (macro: CompiledMacro, fail: Fail) => Loop } = {
  all: (macro, fail) => quantifier(macro, false, fail),
  exists: (macro, fail) => quantifier(macro, true, fail),
  exists_one:
    ({ body }, fail) =>
    (items, frame, enter) => {
      let count = 0
      for (const item of items) {
        enter(item)
        if (truth(body(frame), fail)) count++
      }
      return count === 1
    },
  map:
    ({ body, filter }, fail) =>
    (items, frame, enter) => {
      const result: Value[] = []
      for (const item of items) {
        enter(item)
        if (filter === undefined || truth(filter(frame), fail)) result.push(body(frame))
      }
      return result
    },
  filter:
    ({ body }, fail) =>
    (items, frame, enter) => {
      const result: Value[] = []
      for (const item of items) {
        enter(item)
        if (truth(body(frame), fail)) result.push(item)
      }
      return result
    },
}

/** An element that decides makes up for the faults of others. */
function quantifier({ body }: CompiledMacro, decisive: boolean, fail: Fail): Loop {
  return (items, frame, enter) => {
    let fault: Fault | undefined
    for (const item of items) {
      enter(item)
      try {
        if (truth(body(frame), fail) === decisive) return decisive
      } catch (error) {
        fault ??= faultOf(error)
      }
    }
    if (fault !== undefined) throw fault
    return !decisive
  }
}

function truth(value: Value, fail: Fail): boolean {
  return typeof value === 'boolean' ? value : fail(`a condition needs a bool, not ${kindOf(value)}`)
}
