import type { Environment } from '@marcbachmann/cel-js'
import type { SluiceError } from '../../errors.ts'
import { explainType, typeInWords } from './explain-type.ts'
import { environment, invalid } from './parse.ts'
import { partsOf } from './tree.ts'
import type { Span, Tree } from './tree.ts'

interface Expected {
  /** A `condition` must be a bool. */
  readonly use: 'condition' | 'value'
  /** The CEL types of a path; empty if they are not known. */
  readonly typesOf: (path: string) => readonly string[]
}

/**
 * Checks an expression against the types that the members of records may have. A member with several
 * types is a mistake only if none of them is possible, at each place on its own: an expression may ask
 * first whether a value is null.
 */
export function findMistake(text: string, tree: Tree, { use, typesOf }: Expected): SluiceError | undefined {
  const reads = readsOf(tree)
  const stand = standIns(text, reads)
  const choices = [...stand.variables].map(
    ([name, read]) => [name, read.kind === 'path' ? typesOf(read.path) : ['bool']] as const,
  )
  let first: SluiceError | undefined
  for (const types of assignments(choices)) {
    const mistake = checkOnce(stand, types, { use, whole: tree })
    if (mistake === undefined) return undefined
    first ??= mistake
  }
  return first
}

/** Types by the name of a stand-in. One without a type may have any. */
type Types = ReadonlyMap<string, string>

/** At most this many combinations of types are tried; at further places any type is possible. */
const MAX_ASSIGNMENTS = 64

function assignments(choices: readonly (readonly [string, readonly string[]])[]): Types[] {
  let all: Types[] = [new Map()]
  for (const [name, types] of choices) {
    if (types.length === 0 || all.length * types.length > MAX_ASSIGNMENTS) continue
    all = all.flatMap((known) => types.map((type) => new Map(known).set(name, type)))
  }
  return all
}

type Read = Tree & { kind: 'path' | 'presence' | 'call' }

/** A `has()` of another value than the record is a bool; the library knows fewer forms of it. */
function readsOf(tree: Tree): Read[] {
  if (tree.kind === 'path' || tree.kind === 'presence') return [tree]
  if (tree.kind === 'call' && tree.name === 'has') return [tree]
  return partsOf(tree).flatMap(readsOf)
}

/** The text of the expression with a variable, of the same length, in place of each part that reads the record. */
interface StandIns {
  readonly text: string
  readonly variables: ReadonlyMap<string, Read>
}

function standIns(text: string, reads: readonly Read[]): StandIns {
  const variables = new Map<string, Read>()
  let replaced = text
  for (const [number, read] of reads.entries()) {
    const { start, end } = spanOf(replaced, read)
    const name = `__${number.toString(36).padStart(end - start - 2, '0')}`
    variables.set(name, read)
    replaced = replaced.slice(0, start) + name + replaced.slice(end)
  }
  return { text: replaced, variables }
}

/** The span of a part with the brackets that open before it: `(record.a).b`. */
function spanOf(text: string, { start, end }: Read): { start: number; end: number } {
  let from = start
  let open = 0
  for (const bracket of text.slice(start, end).replaceAll(STRING, '').replaceAll(/[^()]/g, '')) {
    open += bracket === ')' ? 1 : -1
    for (; open > 0; open--) from = text.lastIndexOf('(', from - 1)
  }
  return { start: from, end }
}

const STRING = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g

function checkOnce(
  stand: StandIns,
  types: Types,
  { use, whole }: { use: Expected['use']; whole: Tree },
): SluiceError | undefined {
  const scope = checker.clone()
  for (const [name, read] of stand.variables) {
    const type = types.get(name) ?? 'dyn'
    scope.registerVariable(name, read.kind === 'path' && read.isOptional ? `optional<${type}>` : type)
  }
  const typeOf = ({ start, end }: Span): string => scope.check(stand.text.slice(start, end)).type ?? 'dyn'
  const { valid, type = 'dyn', error } = scope.check(stand.text)
  if (!valid) {
    const range = error?.range ?? whole
    const { message, hint } = explainType(error?.code ?? '', error?.summary ?? '')
    return invalid(message, error?.code === 'invalid_logical_operand' ? operandAt(whole, range, typeOf) : range, hint)
  }
  if (use === 'value' || type === 'bool' || type === 'dyn') return undefined
  return invalid(
    `a condition must be a bool, not ${typeInWords(type)}`,
    whole,
    'compare it, for example record.count > 0',
  )
}

/** The side of `&&` or `||` that is no bool. */
function operandAt(tree: Tree, range: Span, typeOf: (part: Span) => string): Span {
  if (tree.kind === 'binary' && tree.start === range.start && tree.end === range.end) {
    return [tree.left, tree.right].find((side) => !['bool', 'dyn'].includes(typeOf(side))) ?? range
  }
  const inside = partsOf(tree).find(({ start, end }) => start <= range.start && end >= range.end)
  return inside === undefined ? range : operandAt(inside, range, typeOf)
}

/** Functions of ours that the library does not know, or not for these types. */
const ADDED = [
  'string.replace(string, string): string',
  'string(google.protobuf.Timestamp): string',
  'string(google.protobuf.Duration): string',
  'int(google.protobuf.Timestamp): int',
  'timestamp(google.protobuf.Timestamp): google.protobuf.Timestamp',
  'duration(google.protobuf.Duration): google.protobuf.Duration',
]

function none(): never {
  throw new Error('not evaluated')
}

/** The library checks types and does not evaluate: what Sluice adds needs a signature only. */
const checker = ((): Environment => {
  const scope = environment.clone()
  for (const op of ['+', '-', '*', '/']) {
    scope.registerOperator(`int ${op} double`, none)
    scope.registerOperator(`double ${op} int`, none)
  }
  for (const signature of ADDED) scope.registerFunction(signature, none)
  return scope
})()
