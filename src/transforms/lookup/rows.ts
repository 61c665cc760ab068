import { GrowingBytes, GrowingNumbers } from './growing.ts'

/** JSON text of the wanted columns of a row, in their order; undefined where the row has no value. */
export type RowValues = readonly (Buffer | undefined)[]

/** The values of a table, packed: 4 bytes for each value beside its text. */
export class Rows {
  readonly #columns: number
  readonly #bytes: Buffer
  readonly #ends: Uint32Array

  constructor(columns: number, { bytes, ends }: { readonly bytes: Buffer; readonly ends: Uint32Array }) {
    this.#columns = columns
    this.#bytes = bytes
    this.#ends = ends
  }

  of(row: number): RowValues {
    const values: (Buffer | undefined)[] = []
    for (let at = row * this.#columns; at < (row + 1) * this.#columns; at++) {
      const start = at === 0 ? 0 : this.#ends[at - 1]
      const end = this.#ends[at]
      values.push(start === end ? undefined : this.#bytes.subarray(start, end))
    }
    return values
  }
}

export class RowsBuilder {
  readonly #columns: number
  readonly #bytes = new GrowingBytes()
  readonly #ends = new GrowingNumbers()

  constructor(columns: number) {
    this.#columns = columns
  }

  add(values: RowValues): void {
    for (const value of values) {
      if (value !== undefined) this.#bytes.append(value)
      this.#ends.push(this.#bytes.length)
    }
  }

  finish(): Rows {
    return new Rows(this.#columns, { bytes: this.#bytes.finish(), ends: this.#ends.finish() })
  }
}
