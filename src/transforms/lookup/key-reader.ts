import type { Batch } from '../../record/batch.ts'
import { Edit } from '../../record/edits.ts'
import type { Path } from '../../record/paths/path.ts'
import { HIT_STRIDE } from '../../record/record-index.ts'
import { ValueKind } from '../../record/scan.ts'
import { NOT_AN_ADDRESS } from './table.ts'
import type { Table } from './table.ts'

/** The record has no key: the member is absent, null, empty, an object or an array. */
export const NO_KEY = NOT_AN_ADDRESS - 1

/** Looks up the key of a record, without a copy if its bytes are the text. */
export class KeyReader {
  readonly #path: Path
  readonly #ignoreCase: boolean

  constructor(path: Path, ignoreCase: boolean) {
    this.#path = path
    this.#ignoreCase = ignoreCase
  }

  /** The row of the table, or why there is none. */
  find(batch: Batch, record: number, table: Table): number {
    const hit = batch.hit(record, this.#path)
    if (hit < 0) return NO_KEY
    const kind = batch.kind(hit)
    if (kind === ValueKind.null || kind === ValueKind.object || kind === ValueKind.array) return NO_KEY
    if (kind === ValueKind.escaped || this.#ignoreCase || batch.edits[hit] !== Edit.keep) {
      const text = batch.text(hit)
      const bytes = Buffer.from(this.#ignoreCase ? text.toLowerCase() : text)
      return bytes.length === 0 ? NO_KEY : table.find(bytes, 0, bytes.length)
    }
    const { hits } = batch.index
    const quote = kind === ValueKind.string ? 1 : 0
    const start = hits[HIT_STRIDE * hit + 2] + quote
    const end = hits[HIT_STRIDE * hit + 3] - quote
    return start === end ? NO_KEY : table.find(batch.bytes, start, end)
  }
}
