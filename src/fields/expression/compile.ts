import { RE2JS } from 're2js'
import { cellOf } from './cells.ts'
import type { Compilation } from './cells.ts'
import { failAt } from './fault.ts'
import type { Fail } from './fault.ts'
import type { Frame, Run } from './frame.ts'
import { compileLogic } from './compile-logic.ts'
import { compileMacro } from './compile-macro.ts'
import { functions } from './functions.ts'
import { macroOf, variableOf } from './macros.ts'
import { negative, operators } from './operators.ts'
import { compilePath, compileTextEquality } from './compile-path.ts'
import { sizeOf } from './tree.ts'
import type { Tree } from './tree.ts'
import { TYPE_NAMES } from './type-names.ts'
import { isList, isMap, kindOf, memberOf, NONE, Optional, TypeName } from './values.ts'
import type { Value } from './values.ts'

/** Makes a function of a resolved expression. Each part is a closure over its parts. */
export function compile(tree: Tree, scope: Compilation): Run {
  const fail = failAt(tree.start)
  const inner = (part: Tree): Run => compile(part, scope)
  switch (tree.kind) {
    case 'literal': {
      const { value } = tree
      return () => value
    }
    case 'name':
      return compileName(tree.name, scope)
    case 'path':
      return compilePath(tree, scope, fail)
    case 'presence': {
      const { path } = cellOf(scope, tree.path)
      return ({ batch, record }) => batch.hit(record, path) >= 0
    }
    case 'select':
      return compileMember(inner(tree.of), () => tree.name, tree.isOptional, fail)
    case 'index':
      return compileMember(inner(tree.of), inner(tree.at), tree.isOptional, fail)
    case 'unary': {
      const of = inner(tree.of)
      if (tree.op === '-') return (frame) => negative(of(frame), fail)
      return (frame) => {
        const value = of(frame)
        return typeof value === 'boolean' ? !value : fail(`"!" needs a bool, not ${kindOf(value)}`)
      }
    }
    case 'choice': {
      const [condition, yes, no] = [inner(tree.condition), inner(tree.yes), inner(tree.no)]
      return (frame) => {
        const value = condition(frame)
        if (value === true) return yes(frame)
        return value === false ? no(frame) : fail(`a choice needs a bool, not ${kindOf(value)}`)
      }
    }
    case 'list': {
      const items = tree.items.map(inner)
      return (frame) => items.map((item) => item(frame))
    }
    case 'map':
      return compileMap(
        tree.entries.map(([key, value]) => [inner(key), inner(value)] as const),
        fail,
      )
    case 'binary':
      if (tree.op === '&&' || tree.op === '||') return compileLogic(tree.op, inner(tree.left), inner(tree.right), fail)
      return compileBinary(tree, tree.op, scope, fail)
    default:
      return compileCall(tree, scope, fail)
  }
}

function compileName(name: string, { variables }: Compilation): Run {
  const slot = variables.get(name)
  if (slot !== undefined) return (frame) => frame.variables[slot]
  const type = new TypeName(TYPE_NAMES.has(name) ? name : 'dyn')
  return () => type
}

/** A member of a map, or an element of a list. An optional has the member if its value has it. */
function compileMember(of: Run, at: Run, isOptional: boolean, fail: Fail): Run {
  return (frame) => {
    const found = of(frame)
    const isInside = isOptional || found instanceof Optional
    const value = found instanceof Optional ? found.value : found
    const key = at(frame)
    if (value === undefined) return NONE
    const member = memberAt(value, key, fail)
    if (isInside) return member === undefined ? NONE : new Optional(member)
    if (member !== undefined) return member
    return fail(isList(value) ? 'the list has no element there' : 'the map has no such member')
  }
}

function memberAt(value: Value, key: Value, fail: Fail): Value | undefined {
  if (isMap(value)) return memberOf(value, key)
  if (!isList(value)) return fail(`${kindOf(value)} has no members`)
  if (typeof key !== 'bigint' && !(typeof key === 'number' && Number.isInteger(key))) {
    return fail(`an element has an int as its number, not ${kindOf(key)}`)
  }
  return value[Number(key)]
}

function compileMap(entries: readonly (readonly [Run, Run])[], fail: Fail): Run {
  return (frame) => {
    const map = new Map<Value, Value>()
    for (const [readKey, readValue] of entries) {
      const key = readKey(frame)
      if (typeof key !== 'string' && typeof key !== 'bigint' && typeof key !== 'boolean') {
        return fail(`${kindOf(key)} cannot be a key of a map`)
      }
      if (map.has(key)) return fail('the map has a key twice')
      map.set(key, readValue(frame))
    }
    return map
  }
}

function compileBinary(
  tree: Tree & { kind: 'binary' },
  op: keyof typeof operators,
  scope: Compilation,
  fail: Fail,
): Run {
  if (op === '==' || op === '!=') {
    const test = compileTextEquality(tree, scope)
    if (test !== undefined) return op === '==' ? test : (frame) => test(frame) === false
  }
  const [left, right] = [compile(tree.left, scope), compile(tree.right, scope)]
  if (op === 'in') {
    const texts = textsIn(tree.right)
    if (texts !== undefined) {
      return (frame) => {
        const value = left(frame)
        return typeof value === 'string' && texts.has(value)
      }
    }
  }
  const operator = operators[op]
  return (frame) => operator(left(frame), right(frame), frame, fail)
}

/** The items of a list of constant texts. */
function textsIn(tree: Tree): ReadonlySet<string> | undefined {
  if (tree.kind !== 'list') return undefined
  const texts = new Set<string>()
  for (const item of tree.items) {
    if (item.kind !== 'literal' || typeof item.value !== 'string') return undefined
    texts.add(item.value)
  }
  return texts
}

function compileCall(tree: Tree & { kind: 'call' }, scope: Compilation, fail: Fail): Run {
  const { name, on, args } = tree
  const macro = macroOf(tree)
  const slot = scope.variables.size
  const within = (variable: string): Compilation => ({
    ...scope,
    variables: new Map(scope.variables).set(variable, scope.variables.get(variable) ?? slot),
  })
  if (macro !== undefined) {
    const inside = within(macro.variable)
    return compileMacro(
      {
        kind: macro.kind,
        range: compile(macro.range, scope),
        slot: inside.variables.get(macro.variable) ?? slot,
        body: compile(macro.body, inside),
        filter: macro.filter && compile(macro.filter, inside),
        cost: sizeOf(macro.body) + (macro.filter === undefined ? 0 : sizeOf(macro.filter)),
      },
      fail,
    )
  }
  if (name === 'cel.bind') {
    const inside = within(variableOf(args[0]))
    const at = inside.variables.get(variableOf(args[0])) ?? slot
    const [value, result] = [compile(args[1], scope), compile(args[2], inside)]
    return (frame) => {
      const outer = frame.variables[at]
      frame.variables[at] = value(frame)
      try {
        return result(frame)
      } finally {
        frame.variables[at] = outer
      }
    }
  }
  if (name === 'has' && on === undefined) return compileHas(args[0], scope)
  if (on !== undefined && name === 'matches') return compilePattern(compile(on, scope), args[0], fail)
  if (on !== undefined && (name === 'or' || name === 'orValue')) {
    const [optional, other] = [compile(on, scope), compile(args[0], scope)]
    return (frame) => {
      const value = optional(frame)
      if (!(value instanceof Optional))
        return fail(`${name}() needs an optional, not ${kindOf(value)}; write record.?name`)
      if (value.value === undefined) return other(frame)
      return name === 'or' ? value : value.value
    }
  }
  const called = functions.get(name)
  if (called === undefined) throw new Error(`no function ${name}`)
  const all = (on === undefined ? args : [on, ...args]).map((part) => compile(part, scope))
  const { run } = called
  return (frame) =>
    run(
      all.map((part) => part(frame)),
      { frame, fail },
    )
}

/** Whether a member is there, and all that is around it. */
function compileHas(member: Tree, scope: Compilation): Run {
  const find = compileSoft(member, scope)
  return (frame) => find(frame) !== undefined
}

/** The value of a chain of members; undefined if one of them is absent. */
function compileSoft(tree: Tree, scope: Compilation): (frame: Frame) => Value | undefined {
  if (tree.kind !== 'select') return compile(tree, scope)
  const of = compileSoft(tree.of, scope)
  return (frame) => {
    const found = of(frame)
    const value = found instanceof Optional ? found.value : found
    return value !== undefined && isMap(value) ? memberOf(value, tree.name) : undefined
  }
}

function compilePattern(text: Run, tree: Tree, fail: Fail): Run {
  const pattern = RE2JS.compile(tree.kind === 'literal' ? String(tree.value) : '')
  const size = pattern.programSize()
  return (frame) => {
    const value = text(frame)
    if (typeof value !== 'string') return fail(`matches() needs a text, not ${kindOf(value)}`)
    frame.spend((value.length * size) >> 6)
    return pattern.test(value)
  }
}
