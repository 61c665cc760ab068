import { ByteReader } from '../../record/documents/byte-reader.ts'
import type { DocumentFault, DocumentReader } from '../../record/documents/document-reader.ts'
import { DocumentSplitter } from '../../record/documents/document-splitter.ts'
import { ArraySplitter, createElementBuilder } from '../../record/lines/array-splitter.ts'
import type { ChunkBuilder } from '../../record/lines/chunk-builder.ts'
import { LineSplitter } from '../../record/lines/line-splitter.ts'
import { noStrayBytes, START } from '../../record/lines/splitter.ts'
import type { Boundary, ResumableSplitter, StrayBytes } from '../../record/lines/splitter.ts'
import { DetectingSplitter } from './detecting-splitter.ts'
import type { InputFormat } from './detecting-splitter.ts'
import type { ContentPosition, ContentSettings } from './position.ts'
import { suggestPath } from './records-setting.ts'
import type { RecordsSetting } from './records-setting.ts'

export interface SplitOptions extends ContentSettings {
  readonly maxLine: number
}

interface InputSplitter {
  readonly splitter: ResumableSplitter
  /** Undefined as long as the format is not detected. */
  readonly format: () => InputFormat | undefined
}

/** Splits an input in the configured format, or in the one that is detected from its first bytes. */
export async function createSplitter(
  name: string,
  options: SplitOptions,
  resumed?: ContentPosition,
): Promise<InputSplitter> {
  const { format, maxLine, records } = options
  const createReader = records.reader === 'tokens' ? await tokenReader(records) : byteReader(records)
  let known = resumed?.format ?? (format === 'auto' ? undefined : format)
  const create = (found: InputFormat, from: Boundary = START, stray: StrayBytes = noStrayBytes()) => {
    known = found
    const shared = { name: `"${name}"`, maxLine, from, stray }
    if (records.reader !== 'lines')
      return createDocumentSplitter(found, shared, {
        createReader,
        suggest: (fault) => suggestPath(records, fault),
        tolerant: format === 'ndjson',
      })
    return found === 'ndjson' ? new LineSplitter(shared) : new ArraySplitter(shared)
  }
  // A document on one line may be longer than what is looked at.
  const undecided = records.reader === 'lines' ? 'ndjson' : 'array'
  const splitter = known === undefined ? new DetectingSplitter(maxLine, create, undecided) : create(known, resumed)
  return { splitter, format: () => known }
}

interface SharedOptions {
  readonly name: string
  readonly maxLine: number
  readonly from: Boundary
  readonly stray: StrayBytes
}

function createDocumentSplitter(
  found: InputFormat,
  shared: SharedOptions,
  { createReader, suggest, tolerant }: DocumentOptions,
): DocumentSplitter {
  const builder = createElementBuilder(shared.maxLine, shared.from)
  const reader = createReader({ ...shared, builder })
  return new DocumentSplitter({
    ...shared,
    builder,
    reader,
    layout: found === 'ndjson' ? 'lines' : 'free',
    tolerant,
    suggest,
  })
}

interface DocumentOptions {
  readonly createReader: CreateReader
  readonly suggest: (fault: DocumentFault) => string | undefined
  readonly tolerant: boolean
}

type CreateReader = (options: SharedOptions & { readonly builder: ChunkBuilder }) => DocumentReader

function byteReader({ paths, text }: RecordsSetting): CreateReader {
  return (options) => new ByteReader({ ...options, keys: paths[0].keys ?? [], records: text })
}

/** Only a pipeline that needs the parser loads it. */
async function tokenReader({ paths, text, keyAs }: RecordsSetting): Promise<CreateReader> {
  const { TokenReader } = await import('../../record/documents/token-reader.ts')
  return (options) => new TokenReader({ ...options, paths, records: text, keyAs })
}
