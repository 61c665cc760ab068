import type { Finding, ReferenceList } from '../../component.ts'
import { suggestRecords } from '../../fields/records-hint.ts'
import type { DocumentFault } from '../../record/documents/document-reader.ts'
import { hasOpenKey } from '../../record/documents/path-matcher.ts'
import { formatRecordsPaths, parseRecordsPath } from '../../record/documents/records-path.ts'
import type { RecordsPath } from '../../record/documents/records-path.ts'
import { formatPath } from '../../record/paths/grammar.ts'

/** Where the records of an input are, and how they are found. */
export interface RecordsSetting {
  /** As configured, for messages. */
  readonly text: string
  readonly paths: readonly RecordsPath[]
  /** The member that gets the key of a record. */
  readonly keyAs: string | undefined
  /**
   * `lines`: the inputs hold records, not documents around them. `bytes`: the array is split as
   * bytes. `tokens`: documents are parsed.
   */
  readonly reader: 'lines' | 'bytes' | 'tokens'
  /** Equal for all spellings of the same paths. Undefined for `lines`. */
  readonly id: string | undefined
}

export function recordsSetting(records: string | readonly string[], keyAs: string | undefined): RecordsSetting {
  const texts = typeof records === 'string' ? [records] : records
  const paths = texts.map(parseRecordsPath)
  const [{ keys }] = paths
  const reader = whyTokens(paths, keyAs) !== undefined ? 'tokens' : keys?.length === 0 ? 'lines' : 'bytes'
  const id = reader === 'lines' ? undefined : formatRecordsPaths(paths)
  return { text: texts.join(', '), paths, keyAs, reader, id }
}

/** Checks the options, and says which reader a run uses. */
export function* checkRecords(records: string | readonly string[], keyAs: string | undefined): Iterable<Finding> {
  const { paths, reader, text } = recordsSetting(records, keyAs)
  const fixed = paths.find((path) => !hasOpenKey(path))
  if (keyAs !== undefined && fixed !== undefined) {
    yield {
      at: ['keyAs'],
      message: `the path ${JSON.stringify(fixed.text)} leaves no key open for keyAs`,
      hint: 'remove keyAs, or use *, {a,b} or a pattern in records, for example accounts.*.events[*]',
    }
  } else if (reader !== 'lines') {
    yield {
      at: ['records'],
      severity: 'note',
      message:
        reader === 'bytes'
          ? `the path "${text}" is one array at fixed keys, so documents are split as bytes, at full speed`
          : `${subject(paths, text)} ${whyTokens(paths, keyAs)}, so documents are parsed by stream-json, many times slower`,
    }
  }
}

/** The way out where a document has no records at the path. */
export function suggestPath({ paths, keyAs }: RecordsSetting, { seen, found }: DocumentFault): string | undefined {
  if (seen !== undefined)
    return suggestRecords(
      seen,
      'the document is an array: begin the path with [*]',
      (key) => `an array is at "${key}": write ${key}[*] in the path`,
    )
  // Another place that fits a path with wildcards may hold the type that was expected.
  const [{ segments }] = paths
  const place = segments.slice(0, -1)
  const isFixed = place.every((segment) => segment.kind === 'keys' && segment.keys.length === 1)
  if (found === undefined || paths.length > 1 || keyAs !== undefined || !isFixed) return undefined
  const text = formatPath(place)
  return found === 'object'
    ? `an object is there: to read its values as records, write ${text}.*`
    : `an array is there: write ${text === '' ? '$' : text}`
}

function subject(paths: readonly RecordsPath[], text: string): string {
  return paths.length > 1 ? `the paths "${text}"` : `the path "${text}"`
}

/** Why the records cannot be split as bytes; undefined if they can. */
function whyTokens(paths: readonly RecordsPath[], keyAs: string | undefined): string | undefined {
  if (paths.length > 1) return 'lead to several arrays'
  if (keyAs !== undefined) return 'is used with keyAs'
  return paths[0].keys === undefined ? 'is not one array at fixed keys' : undefined
}

/** Which reader takes which paths, for the documentation. */
export const readersList: ReferenceList = {
  title: 'How records are found in documents',
  about:
    '`records` decides which of two readers a run uses; `sluice check` says which one. Neither needs more memory for a larger document.',
  items: [
    {
      term: 'split as bytes',
      about:
        'One array at fixed keys, such as `Records`, `data.events` or `data["odd.key"]`. ' +
        'As fast as NDJSON. Records keep their bytes, and a run resumes within a document where it stopped.',
    },
    {
      term: 'parsed by stream-json',
      about:
        'All other paths: `pages[*].items`, `accounts.*.events[*]`, `**.events`, `data.{users,groups}`, `accounts.*`, several paths, and `keyAs`. ' +
        'Many times slower. Values, digits of numbers and the order of members are kept; spaces and escapes are not. ' +
        'A run that resumes within a document reads it again from its start, and skips the records that are written.',
    },
  ],
}
