import { resumeOffset } from '../../record/lines/splitter.ts'
import type { Boundary, DocumentStart } from '../../record/lines/splitter.ts'
import type { Json } from '../../record/json/json.ts'
import type { InputFormat } from './detecting-splitter.ts'
import type { RecordsSetting } from './records-setting.ts'

/** How the content of inputs is read, as configured. */
export interface ContentSettings {
  readonly format: InputFormat | 'auto'
  readonly records: RecordsSetting
}

/** How far the content of an input was read. The position of a source adds what identifies the input. */
export type ContentPosition = {
  readonly format: InputFormat
  /** The paths of the records, if the content is documents around them. */
  readonly records?: string
  /** A `Boundary` in the decompressed content. */
  readonly offset: number
  readonly line: number
  readonly open: boolean
  readonly document?: DocumentStart & { readonly [key: string]: Json }
}

export function contentPosition(
  { document, ...boundary }: Boundary,
  format: InputFormat,
  { records }: Pick<ContentSettings, 'records'>,
): ContentPosition {
  return {
    format,
    ...(records.id !== undefined && { records: records.id }),
    ...boundary,
    ...(document && { document: { ...document } }),
  }
}

/** Bytes of decompressed content before the place where reading resumes. */
export function startOf(position: ContentPosition | undefined): number {
  return position === undefined ? 0 : resumeOffset(position)
}

/** Why a position of the same input cannot be resumed with these options; undefined if it can. */
export function whyNotResumed(
  position: ContentPosition,
  { format, records }: ContentSettings,
): { readonly what: string; readonly facts: { readonly [name: string]: string } } | undefined {
  if (position.records !== records.id) {
    return { what: 'the path of the records has changed', facts: { records: records.text } }
  }
  if (format !== 'auto' && format !== position.format) return { what: 'the format has changed', facts: { format } }
  return undefined
}

/** A state can contain positions of other versions and other sources. */
export function isContentPosition(position: unknown): position is ContentPosition {
  if (typeof position !== 'object' || position === null) return false
  const { format, open, records, document, ...numbers }: { readonly [key: string]: unknown } = { ...position }
  return (
    (format === 'ndjson' || format === 'array') &&
    typeof open === 'boolean' &&
    (records === undefined || typeof records === 'string') &&
    (document === undefined || isDocumentStart(document)) &&
    ['offset', 'line'].every((key) => Number.isInteger(numbers[key]))
  )
}

function isDocumentStart(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { offset, records }: { readonly [key: string]: unknown } = { ...value }
  return Number.isInteger(offset) && Number.isInteger(records)
}
