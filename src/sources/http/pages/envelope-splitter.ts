import { ByteReader } from '../../../record/documents/byte-reader.ts'
import { DocumentSplitter } from '../../../record/documents/document-splitter.ts'
import type { DocumentFault } from '../../../record/documents/document-reader.ts'
import { createElementBuilder } from '../../../record/lines/array-splitter.ts'
import type { ChunkBuilder } from '../../../record/lines/chunk-builder.ts'
import { noStrayBytes, START } from '../../../record/lines/splitter.ts'
import type { LineChunk } from '../../../record/lines/splitter.ts'
import { suggestRecords } from '../../../fields/records-hint.ts'
import { asResponseErrors } from './page-splitter.ts'
import type { PageSplitter } from './page-splitter.ts'

interface EnvelopeOptions {
  /** The path to the array of records, as configured. */
  readonly records: string
  /** Its keys. */
  readonly keys: readonly string[]
  /** Dotted keys of the other values to capture. */
  readonly capture: readonly string[]
  readonly maxLine: number
}

/** Extracts the records from a response such as `{"data":{"events":[...]},"next":"..."}`. */
export class EnvelopeSplitter implements PageSplitter {
  readonly #reader: ByteReader
  readonly #builder: ChunkBuilder
  readonly #splitter: DocumentSplitter

  constructor({ records, keys, capture, maxLine }: EnvelopeOptions) {
    const name = 'the response'
    this.#builder = createElementBuilder(maxLine, START)
    const shared = { name, builder: this.#builder, from: START, stray: noStrayBytes() }
    this.#reader = new ByteReader({ ...shared, keys, records, capture, maxLine })
    this.#splitter = new DocumentSplitter({ ...shared, reader: this.#reader, layout: 'one', suggest })
  }

  get count(): number {
    return this.#builder.line
  }

  get captured(): ReadonlyMap<string, string> {
    return this.#reader.captured
  }

  push(chunk: Buffer): Iterable<LineChunk> {
    return asResponseErrors(this.#splitter.push(chunk))
  }

  flush(): Iterable<LineChunk> {
    return this.#splitter.flush()
  }

  end(): Iterable<LineChunk> {
    return asResponseErrors(this.#splitter.end())
  }
}

function suggest({ seen }: DocumentFault): string | undefined {
  return seen && suggestRecords(seen, 'the response is an array: set records to $')
}
