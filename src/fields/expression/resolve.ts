import { RE2JS } from 're2js'
import type { SluiceError } from '../../errors.ts'
import { closest } from '../suggest.ts'
import { formatPath } from '../../record/paths/grammar.ts'
import { functions } from './functions.ts'
import { macroNames, macroOf, variableOf } from './macros.ts'
import { invalid } from './parse.ts'
import { TYPE_NAMES } from './type-names.ts'
import type { Tree } from './tree.ts'

/**
 * Replaces the parts that read the record by its paths, and checks all names. `record.a["odd key"]` is a
 * path; what follows an index that is not a constant text (`record.list[0].name`) is looked up in the
 * value of the path before it.
 * @throws SluiceError EXPRESSION_INVALID
 */
export function resolve(tree: Tree, scope: ReadonlySet<string> = new Set()): Tree {
  const inner = (part: Tree): Tree => resolve(part, scope)
  const path = pathOf(tree)
  if (path !== undefined) return path
  switch (tree.kind) {
    case 'name':
      if (scope.has(tree.name) || TYPE_NAMES.has(tree.name)) return tree
      throw unknownName(tree.name, tree)
    case 'select':
      return { ...tree, of: inner(tree.of) }
    case 'index':
      if (isRecord(tree.of)) {
        throw invalid('the key of record must be a constant text', tree.at, 'for example record["odd-name"]')
      }
      return { ...tree, of: inner(tree.of), at: inner(tree.at) }
    case 'unary':
      return { ...tree, of: inner(tree.of) }
    case 'binary': {
      const { left, right } = tree
      if (tree.op !== 'in' || !isRecord(right)) return { ...tree, left: inner(left), right: inner(right) }
      if (left.kind !== 'literal' || typeof left.value !== 'string') {
        throw invalid('the key before "in record" must be a constant text', left, 'for example "odd-name" in record')
      }
      return { start: tree.start, end: tree.end, kind: 'presence', path: pathText([left.value]) }
    }
    case 'choice':
      return { ...tree, condition: inner(tree.condition), yes: inner(tree.yes), no: inner(tree.no) }
    case 'list':
      return { ...tree, items: tree.items.map(inner) }
    case 'map':
      return { ...tree, entries: tree.entries.map(([key, value]) => [inner(key), inner(value)] as const) }
    case 'call':
      return resolveCall(tree, scope)
    default:
      return tree
  }
}

function resolveCall(tree: Tree & { kind: 'call' }, scope: ReadonlySet<string>): Tree {
  const { name, on, args } = tree
  const inner = (part: Tree): Tree => resolve(part, scope)
  const macro = macroOf(tree)
  if (macro !== undefined) {
    const within = new Set(scope).add(macro.variable)
    const [variable, ...bodies] = args
    return { ...tree, on: inner(macro.range), args: [variable, ...bodies.map((body) => resolve(body, within))] }
  }
  if (name === 'has' && on === undefined) return resolveHas(tree, scope)
  if (name === 'cel.bind') {
    if (args.length !== 3) throw invalid('cel.bind() needs three arguments', tree, 'write cel.bind(x, value, result)')
    const within = new Set(scope).add(variableOf(args[0]))
    return { ...tree, args: [args[0], inner(args[1]), resolve(args[2], within)] }
  }
  const isKnown = functions.has(name) || (on !== undefined && ['or', 'orValue', 'matches'].includes(name))
  if (!isKnown) throw unknownFunction(name, tree)
  if (on !== undefined && OF_OPTIONALS.has(name)) {
    const path = pathOf(on)
    if (path !== undefined && !path.isOptional) {
      throw invalid(`${name}() needs an optional`, on, 'write a ? after the dot: record.?name')
    }
  }
  const resolved = { ...tree, on: on && inner(on), args: args.map(inner) }
  const count = args.length + (on === undefined ? 0 : 1)
  if (on !== undefined && (name === 'or' || name === 'orValue')) {
    if (count !== 2) throw invalid(`${name}() needs one argument`, tree)
    return resolved
  }
  if (name === 'matches') return checkPattern(resolved)
  const known = functions.get(name)
  if (known === undefined) throw unknownFunction(name, tree)
  if (known.form !== 'both' && (known.form === 'method') !== (on !== undefined)) {
    const isMethod = known.form === 'method'
    throw invalid(
      `${name}() is written ${isMethod ? 'after' : 'around'} its value`,
      tree,
      isMethod ? `value.${name}(…)` : `${name}(value)`,
    )
  }
  if (!known.counts.includes(count)) throw invalid(`${name}() has the wrong number of arguments`, tree)
  return resolved
}

function resolveHas(tree: Tree & { kind: 'call' }, scope: ReadonlySet<string>): Tree {
  const [of] = tree.args
  if (tree.args.length !== 1 || of.kind !== 'select') {
    throw invalid(
      'has() needs a member',
      tree,
      'for example has(record.user); for record["odd-name"] write "odd-name" in record',
    )
  }
  const path = pathOf(of)
  if (path?.kind === 'path') return { start: tree.start, end: tree.end, kind: 'presence', path: path.path }
  return { ...tree, args: [{ ...of, of: resolve(of.of, scope) }] }
}

const OF_OPTIONALS = new Set(['or', 'orValue', 'value', 'hasValue'])

/** A pattern is compiled once, and its size is known. */
function checkPattern(tree: Tree & { kind: 'call' }): Tree {
  const [pattern] = tree.args
  if (tree.on === undefined || tree.args.length !== 1)
    throw invalid('matches() is written after its value', tree, 'value.matches("pattern")')
  if (pattern.kind !== 'literal' || typeof pattern.value !== 'string') {
    throw invalid('the pattern of matches() must be a constant text', pattern, 'for a part of a text write contains()')
  }
  try {
    RE2JS.compile(pattern.value)
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : ''
    throw invalid(
      `the pattern is not a regular expression of RE2: ${reason}`,
      pattern,
      'look-around and back references are not available',
    )
  }
  return tree
}

/** The path of `record.a["b"].?c`; undefined for any other part. */
function pathOf(tree: Tree): (Tree & { kind: 'path' }) | undefined {
  const keys: string[] = []
  let isOptional = false
  let at = tree
  while (at.kind === 'select' || (at.kind === 'index' && at.at.kind === 'literal' && typeof at.at.value === 'string')) {
    keys.unshift(at.kind === 'select' ? at.name : String(at.at.kind === 'literal' ? at.at.value : ''))
    isOptional ||= at.isOptional
    at = at.of
  }
  if (keys.length === 0 || !isRecord(at)) return undefined
  if (keys.length > MAX_KEYS) throw invalid(`a path has at most ${MAX_KEYS} keys`, tree)
  return { start: tree.start, end: tree.end, kind: 'path', path: pathText(keys), isOptional }
}

/** As for all record paths. */
const MAX_KEYS = 32

function pathText(keys: readonly string[]): string {
  return formatPath(keys.map((key) => ({ kind: 'keys', keys: [key] })))
}

function isRecord(tree: Tree): boolean {
  return tree.kind === 'name' && tree.name === 'record'
}

function unknownName(name: string, tree: Tree): SluiceError {
  if (name === 'record') {
    return invalid('record is not a value of its own', tree, 'name the member: record.service')
  }
  const word = WORDS.get(name)
  if (word !== undefined) return invalid(`${name} is unknown`, tree, `write ${word}`)
  if (name === 'now') return invalid('the time of day is not available', tree, NO_CLOCK)
  return invalid(`${name} is unknown`, tree, `did you mean record.${name}? a text is written "${name}"`)
}

const WORDS = new Map([
  ['True', 'true'],
  ['TRUE', 'true'],
  ['False', 'false'],
  ['FALSE', 'false'],
  ['None', 'null'],
  ['NULL', 'null'],
  ['nil', 'null'],
  ['undefined', 'null, or !has(record.name)'],
])

const NO_CLOCK = 'an expression gives the same result for the same record at any time; compare times of the record'

function unknownFunction(name: string, tree: Tree): SluiceError {
  const other = OTHER_NAMES.get(name)
  if (other !== undefined) return invalid(`the function ${name}() does not exist`, tree, other)
  const near = closest(name, [...functions.keys(), ...macroNames, 'matches'])
  const hint = near === undefined ? 'docs/expressions.md lists all functions' : `did you mean ${near}()?`
  return invalid(`the function ${name}() does not exist`, tree, hint)
}

const OTHER_NAMES = new Map([
  ['len', 'write size(value)'],
  ['length', 'write size(value)'],
  ['count', 'write size(value)'],
  ['lower', 'write value.lowerAscii()'],
  ['toLowerCase', 'write value.lowerAscii()'],
  ['downcase', 'write value.lowerAscii()'],
  ['upper', 'write value.upperAscii()'],
  ['toUpperCase', 'write value.upperAscii()'],
  ['upcase', 'write value.upperAscii()'],
  ['includes', 'write text.contains("part"), or value in list'],
  ['match', 'write text.matches("pattern")'],
  ['test', 'write text.matches("pattern")'],
  ['exists', 'write has(record.name), or list.exists(x, x == 1)'],
  ['defined', 'write has(record.name)'],
  ['any', 'write list.exists(x, x == 1)'],
  ['some', 'write list.exists(x, x == 1)'],
  ['every', 'write list.all(x, x == 1)'],
  ['replaceAll', 'write text.replace("part", "other")'],
  ['slice', 'write text.substring(0, 3)'],
  ['coalesce', 'write record.?name.orValue("default")'],
  ['default', 'write record.?name.orValue("default")'],
  ['float', 'write double(value)'],
  ['number', 'write int(value) or double(value)'],
  ['str', 'write string(value)'],
  ['to_string', 'write string(value)'],
  ['uint', 'unsigned ints are not available: write int(value)'],
  ['bytes', 'bytes are not available'],
  ['now', NO_CLOCK],
  ['uuid', 'an expression gives the same result for the same record'],
  ['random', 'an expression gives the same result for the same record'],
])
