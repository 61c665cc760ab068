import { SluiceError } from '../../errors.ts'
import { formatPath, parseDocumentPath } from '../paths/grammar.ts'
import type { Segment } from '../paths/grammar.ts'
import { keysOf } from '../paths/path.ts'

/**
 * Where the records of a document are: a path from its root to an array of records
 * (`data.events`), or to the records themselves (`data.events[*]`, `accounts.*`).
 */
export interface RecordsPath {
  readonly text: string
  /**
   * The path to each record. It ends with `[*]`, or with `*` if the records are the values of an
   * object.
   */
  readonly segments: readonly Segment[]
  /**
   * The keys to the array, if nothing else is in the path: such an array can be split as bytes.
   * Empty for `$`, a document that is the array itself. Undefined for other paths.
   */
  readonly keys: readonly string[] | undefined
}

/**
 * Parses a path of the record path grammar, or `$` for a document that is the array itself.
 * @throws SluiceError PATH_INVALID
 */
export function parseRecordsPath(text: string): RecordsPath {
  const written = text === '$' ? [] : parseDocumentPath(text)
  const last = written.at(-1)
  if (last?.kind === 'deep') {
    throw new SluiceError('PATH_INVALID', `path ${JSON.stringify(text)}: ** cannot be its end`, {
      offset: text.length - 2,
      length: 2,
      hint: 'name the array after it, for example **.events',
    })
  }
  const isOfRecords = last?.kind === 'elements' || last?.kind === 'members'
  const segments: Segment[] = isOfRecords ? written : [...written, { kind: 'elements' }]
  return { text, segments, keys: last?.kind === 'members' ? undefined : keysOf(segments.slice(0, -1)) }
}

/** Spells paths in one way, to compare them. */
export function formatRecordsPaths(paths: readonly RecordsPath[]): string {
  return paths.map(({ segments }) => formatPath(segments)).join(' ')
}
