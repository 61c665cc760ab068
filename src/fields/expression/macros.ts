import type { Tree } from './tree.ts'
import { invalid } from './parse.ts'

/** A call that evaluates an argument for each element of a list, or for each key of a map. */
export interface Macro {
  readonly kind: MacroName
  readonly range: Tree
  readonly variable: string
  readonly body: Tree
  /** `map` with three arguments: only elements that fulfil it. */
  readonly filter: Tree | undefined
}

type MacroName = 'all' | 'exists' | 'exists_one' | 'map' | 'filter'

const COUNTS: { readonly [Name in MacroName]: readonly number[] } = {
  all: [2],
  exists: [2],
  exists_one: [2],
  map: [2, 3],
  filter: [2],
}

export const macroNames = [...Object.keys(COUNTS), 'has', 'orValue', 'or', 'cel.bind']

/**
 * The macro that a call is; undefined if it is none.
 * @throws SluiceError EXPRESSION_INVALID if it has the wrong arguments
 */
export function macroOf(tree: Tree): Macro | undefined {
  if (tree.kind !== 'call' || tree.on === undefined || !isMacroName(tree.name)) return undefined
  const { name, on, args } = tree
  if (!COUNTS[name].includes(args.length)) {
    throw invalid(
      `${name}() has the wrong number of arguments`,
      tree,
      `write list.${name}(x, …), where x is an element`,
    )
  }
  const [variable, ...rest] = args
  const body = rest[rest.length - 1]
  return {
    kind: name,
    range: on,
    variable: variableOf(variable),
    body,
    filter: rest.length === 2 ? rest[0] : undefined,
  }
}

/** @throws SluiceError EXPRESSION_INVALID if it cannot be the name of a variable */
export function variableOf(tree: Tree): string {
  if (tree.kind !== 'name') throw invalid('the first argument is the name of a variable', tree, 'for example x')
  if (tree.name === 'record') throw invalid('record is the name of the record', tree, 'give the variable another name')
  return tree.name
}

function isMacroName(name: string): name is MacroName {
  return Object.hasOwn(COUNTS, name)
}
