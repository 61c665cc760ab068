/** Offsets of a part in the text of its expression, in UTF-16 units. */
export interface Span {
  readonly start: number
  readonly end: number
}

export type Literal = null | boolean | bigint | number | string

/** An expression as Sluice evaluates it. `path` and `presence` are the parts that read the record. */
export type Tree = Span &
  (
    | { readonly kind: 'literal'; readonly value: Literal }
    | { readonly kind: 'name'; readonly name: string }
    /** `record.a.b`; with `isOptional` it has a `?` in it, and its value is an optional. */
    | { readonly kind: 'path'; readonly path: string; readonly isOptional: boolean }
    /** `has(record.a)` and `"a" in record`. */
    | { readonly kind: 'presence'; readonly path: string }
    | { readonly kind: 'select'; readonly of: Tree; readonly name: string; readonly isOptional: boolean }
    | { readonly kind: 'index'; readonly of: Tree; readonly at: Tree; readonly isOptional: boolean }
    | { readonly kind: 'call'; readonly name: string; readonly on: Tree | undefined; readonly args: readonly Tree[] }
    | { readonly kind: 'unary'; readonly op: '!' | '-'; readonly of: Tree }
    | { readonly kind: 'binary'; readonly op: BinaryOp; readonly left: Tree; readonly right: Tree }
    | { readonly kind: 'choice'; readonly condition: Tree; readonly yes: Tree; readonly no: Tree }
    | { readonly kind: 'list'; readonly items: readonly Tree[] }
    | { readonly kind: 'map'; readonly entries: readonly (readonly [Tree, Tree])[] }
  )

export type BinaryOp = '&&' | '||' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%' | 'in'

/** The parts directly inside a part. */
export function partsOf(tree: Tree): readonly Tree[] {
  switch (tree.kind) {
    case 'literal':
    case 'name':
    case 'path':
    case 'presence':
      return []
    case 'select':
    case 'unary':
      return [tree.of]
    case 'index':
      return [tree.of, tree.at]
    case 'call':
      return tree.on === undefined ? tree.args : [tree.on, ...tree.args]
    case 'binary':
      return [tree.left, tree.right]
    case 'choice':
      return [tree.condition, tree.yes, tree.no]
    case 'list':
      return tree.items
    default:
      return tree.entries.flat()
  }
}

/** The number of parts of an expression, itself included. */
export function sizeOf(tree: Tree): number {
  return partsOf(tree).reduce((size, part) => size + sizeOf(part), 1)
}
