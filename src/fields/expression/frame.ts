import type { Batch } from '../../record/batch.ts'
import { Fault } from './fault.ts'
import type { Value } from './values.ts'

/** Steps that an expression may take for any record. */
const BASE_STEPS = 100_000
/** Steps that it may take more for each byte of the record. */
const STEPS_PER_BYTE = 8

/** The evaluation of an expression for one record. One frame is used for all records. */
export class Frame {
  batch!: Batch
  record = 0
  /** Number of the evaluation: values of the record that were read in another one count no more. */
  evaluation = 0
  /** Values of the variables of macros, by their slot. */
  readonly variables: Value[] = []
  #steps = 0

  begin(batch: Batch, record: number, bytes: number): void {
    this.batch = batch
    this.record = record
    this.evaluation++
    this.#steps = BASE_STEPS + STEPS_PER_BYTE * bytes
  }

  /**
   * Counts work whose amount depends on the record: each part of the body of a macro for each element,
   * elements of lists, 16 characters of a text. So the limit is the same on every machine.
   * @throws Fault EXPRESSION_LIMIT
   */
  spend(steps: number): void {
    this.#steps -= steps
    if (this.#steps < 0) throw OVER_LIMIT
  }
}

export const OVER_LIMIT = new Fault('it takes more steps than a record of this length may', 'EXPRESSION_LIMIT')

export type Run = (frame: Frame) => Value
