import { Environment, ParseError } from '@marcbachmann/cel-js'
import type { ASTNode } from '@marcbachmann/cel-js'
import { SluiceError } from '../../errors.ts'
import { explainSyntax } from './explain-syntax.ts'
import type { Literal, Tree } from './tree.ts'
import { MAX_INT, MIN_INT } from './values.ts'

const LIMITS = { maxAstNodes: 5000, maxDepth: 64, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 32 }

/** The environment of all expressions. Values of any type may stand in one list or map, as in JSON. */
export const environment = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  enableOptionalTypes: true,
  limits: LIMITS,
})

/**
 * Parses an expression of CEL, the Common Expression Language.
 * @throws SluiceError EXPRESSION_INVALID with the place of the mistake and a hint
 */
export function parse(text: string): Tree {
  return convert(parseNode(text))
}

function parseNode(text: string): ASTNode {
  try {
    return environment.parse(text).ast
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const { start, end } = error.range ?? { start: 0, end: text.length }
    throw explainSyntax(text, { code: error.code, summary: error.summary, start, end })
  }
}

/** @throws SluiceError EXPRESSION_INVALID */
export function invalid(message: string, { start, end }: { start: number; end: number }, hint?: string): SluiceError {
  return new SluiceError('EXPRESSION_INVALID', message, {
    offset: start,
    length: Math.max(1, end - start),
    ...(hint === undefined ? {} : { hint }),
  })
}

/** The tree of the library in a form of our own: nothing else of Sluice depends on it. */
function convert(node: ASTNode): Tree {
  const { start, end } = node
  const span = { start, end }
  switch (node.op) {
    case 'value':
      return { ...span, kind: 'literal', value: literalOf(node.args, span) }
    case 'id':
      return { ...span, kind: 'name', name: node.args }
    case '.':
    case '.?': {
      const [of, name] = node.args
      return { ...span, kind: 'select', of: convert(of), name, isOptional: node.op === '.?' }
    }
    case '[]':
    case '[?]': {
      const [of, at] = node.args
      return { ...span, kind: 'index', of: convert(of), at: convert(at), isOptional: node.op === '[?]' }
    }
    case 'call': {
      const [name, args] = node.args
      return { ...span, kind: 'call', name, on: undefined, args: args.map(convert) }
    }
    case 'rcall': {
      const [name, on, args] = node.args
      if (on.op === 'id' && (on.args === 'optional' || on.args === 'cel')) {
        return { ...span, kind: 'call', name: `${on.args}.${name}`, on: undefined, args: args.map(convert) }
      }
      return { ...span, kind: 'call', name, on: convert(on), args: args.map(convert) }
    }
    case 'list':
      return { ...span, kind: 'list', items: node.args.map(convert) }
    case 'map':
      return { ...span, kind: 'map', entries: node.args.map(([key, value]) => [convert(key), convert(value)] as const) }
    case '?:': {
      const [condition, yes, no] = node.args
      return { ...span, kind: 'choice', condition: convert(condition), yes: convert(yes), no: convert(no) }
    }
    case '!_':
      return { ...span, kind: 'unary', op: '!', of: convert(node.args) }
    case '-_': {
      const { args } = node
      if (args.op !== 'value' || typeof args.args !== 'bigint')
        return { ...span, kind: 'unary', op: '-', of: convert(args) }
      return { ...span, kind: 'literal', value: literalOf(-args.args, span) }
    }
    default: {
      const [left, right] = node.args
      return { ...span, kind: 'binary', op: node.op, left: convert(left), right: convert(right) }
    }
  }
}

function literalOf(value: unknown, span: { start: number; end: number }): Literal {
  if (typeof value === 'bigint') {
    if (value >= MIN_INT && value <= MAX_INT) return value
    throw invalid('an int has at most 64 bits', span, 'write it as a double, with a fraction: 1.0')
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    return value
  }
  if (value instanceof Uint8Array) throw invalid('bytes are not available', span, 'write a text, without the b')
  throw invalid('unsigned ints are not available', span, 'write an int, without the u')
}
