import { LineSplitter } from '../../../record/lines/line-splitter.ts'
import type { LineChunk } from '../../../record/lines/splitter.ts'
import { parseJson } from '../transport/json-values.ts'
import { invalidResponse } from '../transport/response-error.ts'
import type { PageSplitter } from './page-splitter.ts'

/** For a response that is NDJSON. */
export class NdjsonSplitter implements PageSplitter {
  readonly captured: ReadonlyMap<string, string> = new Map()
  readonly #splitter: LineSplitter
  #count = 0

  constructor(maxLine: number) {
    this.#splitter = new LineSplitter({ maxLine })
  }

  get count(): number {
    return this.#count
  }

  push(chunk: Buffer): Iterable<LineChunk> {
    return this.#counted(this.#splitter.push(chunk))
  }

  flush(): Iterable<LineChunk> {
    return this.#counted(this.#splitter.flush())
  }

  end(): Iterable<LineChunk> {
    const chunks = this.#splitter.end()
    const last = chunks.at(-1)
    // A connection can close anywhere: a last line without a line feed counts only if it is
    // complete JSON.
    if (last?.boundary.open === true && last.skipped.length === 0 && parseJson(lastLine(last.bytes)) === undefined)
      throw invalidResponse('the response was cut short: its last line is not complete')
    return this.#counted(chunks)
  }

  #counted(chunks: LineChunk[]): LineChunk[] {
    this.#count = chunks.at(-1)?.boundary.line ?? this.#count
    return chunks
  }
}

function lastLine(bytes: Buffer): string {
  const end = bytes.length - 1
  return bytes.toString('utf8', bytes.lastIndexOf('\n', end - 1) + 1, end)
}
