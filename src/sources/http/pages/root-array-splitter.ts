import { ArraySplitter } from '../../../record/lines/array-splitter.ts'
import type { LineChunk } from '../../../record/lines/splitter.ts'
import { invalidResponse } from '../transport/response-error.ts'
import { asResponseErrors, firstCharacter } from './page-splitter.ts'
import type { PageSplitter } from './page-splitter.ts'

/** For a response that is itself the array of records. Each record keeps its bytes. */
export class RootArraySplitter implements PageSplitter {
  readonly captured: ReadonlyMap<string, string> = new Map()
  readonly #splitter: ArraySplitter
  #started = false

  constructor(maxLine: number) {
    this.#splitter = new ArraySplitter({ name: 'the response', maxLine })
  }

  get count(): number {
    return this.#splitter.count
  }

  push(chunk: Buffer): Iterable<LineChunk> {
    this.#checkStart(chunk)
    return asResponseErrors(this.#splitter.push(chunk))
  }

  flush(): Iterable<LineChunk> {
    return this.#splitter.flush()
  }

  end(): Iterable<LineChunk> {
    if (!this.#started) throw invalidResponse('the response is empty')
    return asResponseErrors(this.#splitter.end())
  }

  #checkStart(chunk: Buffer): void {
    if (this.#started) return
    const first = firstCharacter(chunk)
    if (first !== undefined && first !== '[')
      throw invalidResponse('the response is not an array: if an object holds the records, set their path (records)')
    this.#started = first !== undefined
  }
}
