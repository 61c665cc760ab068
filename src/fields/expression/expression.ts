import type { SluiceError } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import type { Paths } from '../../record/paths/path.ts'
import { RECORD_STRIDE } from '../../record/scan.ts'
import { findMistake } from './check-types.ts'
import { compile } from './compile.ts'
import { failAt, Fault } from './fault.ts'
import { Frame, OVER_LIMIT } from './frame.ts'
import type { Run } from './frame.ts'
import { parse } from './parse.ts'
import { resolve } from './resolve.ts'
import { partsOf } from './tree.ts'
import type { Tree } from './tree.ts'
import { kindOf, Optional } from './values.ts'
import type { Value } from './values.ts'
import { writeValue } from './write-value.ts'

export { Fault } from './fault.ts'

/**
 * An expression of CEL over a record. The members are called `record.service`,
 * `record.user["odd name"]`. Only the paths in `reads` are read from the bytes.
 *
 * It is pure: the result depends on the record alone, and the work on the length of the record, not on
 * the clock or the machine.
 */
export interface Expression {
  readonly text: string
  /** The record paths that it reads, without duplicates. */
  readonly reads: readonly string[]
  /** Each place of its text that reads the record. */
  readonly places: readonly ReadPlace[]
  /**
   * What is wrong with the types in it: a SluiceError EXPRESSION_INVALID with the place and a hint.
   * @param use a `condition` must be a bool
   * @param typesOf the CEL types that the value at a path may have (`string`, `int`, `double`, `bool`,
   *   `null`, `list`, `map`); empty if they are not known
   */
  mistake(use: 'condition' | 'value', typesOf?: (path: string) => readonly string[]): SluiceError | undefined
  /** Adds its paths. The condition is called for records of batches that were scanned with them. */
  condition(paths: Paths): Condition
  /** Adds its paths, as `condition` does. */
  value(paths: Paths): ValueOf
}

interface ReadPlace {
  readonly path: string
  /** In UTF-16 units. */
  readonly offset: number
  readonly length: number
}

/** Whether a live record fulfils an expression, or why that cannot be said. */
type Condition = (batch: Batch, record: number) => boolean | Fault

/**
 * The JSON text of the value of a record; a copy. Undefined if the value is an optional without a value.
 */
type ValueOf = (batch: Batch, record: number) => Buffer | undefined | Fault

/**
 * Compiles an expression. Its types are not checked yet.
 * @throws SluiceError EXPRESSION_INVALID with the place of the mistake (`offset`, `length`) and a hint
 */
export function compileExpression(text: string): Expression {
  const tree = resolve(parse(text))
  const places = placesOf(tree)
  return {
    text,
    reads: [...new Set(places.map(({ path }) => path))],
    places,
    mistake: (use, typesOf = () => []) => findMistake(text, tree, { use, typesOf }),
    condition: (paths) => conditionOf(tree, paths),
    value: (paths) => valueOf(tree, paths),
  }
}

function placesOf(tree: Tree): ReadPlace[] {
  if (tree.kind !== 'path' && tree.kind !== 'presence') return partsOf(tree).flatMap(placesOf)
  return [{ path: tree.path, offset: tree.start, length: tree.end - tree.start }]
}

function conditionOf(tree: Tree, paths: Paths): Condition {
  const evaluator = new Evaluator(tree, paths)
  const fail = failAt(tree.start)
  return (batch, record) =>
    evaluator.evaluate(batch, record, (value) =>
      typeof value === 'boolean' ? value : fail(`the result is ${kindOf(value)}, not a bool`),
    )
}

function valueOf(tree: Tree, paths: Paths): ValueOf {
  const evaluator = new Evaluator(tree, paths)
  const fail = failAt(tree.start)
  const write = (value: Value, frame: Frame): Buffer | undefined => {
    const result = value instanceof Optional ? value.value : value
    if (result === undefined) return undefined
    return Buffer.from(writeValue(result, fail, (steps) => frame.spend(steps)))
  }
  if (tree.kind !== 'path') return (batch, record) => evaluator.evaluate(batch, record, write)
  // A copy keeps its bytes, whatever they are.
  const path = paths.add(tree.path)
  return (batch, record) => {
    const hit = batch.hit(record, path)
    return hit < 0 ? evaluator.evaluate(batch, record, write) : Buffer.from(batch.raw(hit))
  }
}

class Evaluator {
  readonly #run: Run
  readonly #frame = new Frame()

  constructor(tree: Tree, paths: Paths) {
    this.#run = compile(tree, { paths, cells: new Map(), variables: new Map() })
  }

  evaluate<Result>(batch: Batch, record: number, use: (value: Value, frame: Frame) => Result): Result | Fault {
    const frame = this.#frame
    const { records } = batch.index
    frame.begin(batch, record, records[RECORD_STRIDE * record + 1] - records[RECORD_STRIDE * record])
    try {
      return use(this.#run(frame), frame)
    } catch (error) {
      if (error instanceof Fault) return error
      // A text of more than 512 MiB, or more nesting than the stack holds.
      if (error instanceof RangeError) return OVER_LIMIT
      throw error
    }
  }
}
