import { isUtf8 } from 'node:buffer'
import { METADATA_MARKER, METADATA_BYTES } from './mmdb-decoder.ts'
import type { Format } from './table.ts'
import { TableProblem } from './table-problem.ts'

/** The format of a file by the ending of its name, or else by its content. */
export function formatOf(name: string, bytes: Buffer): Format {
  const [, ending = ''] = /\.([a-z0-9]+)$/i.exec(name) ?? []
  const named = ENDINGS[ending.toLowerCase()]
  if (named !== undefined) return named
  if (bytes.subarray(-METADATA_BYTES).lastIndexOf(METADATA_MARKER) >= 0) return 'mmdb'
  return /^\s*\{/.test(withoutMark(bytes).toString('latin1', 0, 100)) ? 'ndjson' : 'csv'
}

const ENDINGS: { readonly [ending: string]: Format } = {
  csv: 'csv',
  tsv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'ndjson',
  mmdb: 'mmdb',
}

/** The text of a CSV or NDJSON file. @throws TableProblem if it is compressed or in another encoding */
export function textOf(bytes: Buffer): Buffer {
  if (bytes.length === 0) throw new TableProblem(['file'], 'is empty')
  const begin = bytes.toString('latin1', 0, 4)
  if (COMPRESSED.some((magic) => begin.startsWith(magic)))
    throw new TableProblem(['file'], 'is compressed', 'decompress it; the table is read as it is')
  if (/^(\xff\xfe|\xfe\xff)/.test(begin)) throw new TableProblem(['file'], 'is in UTF-16', 'save it as UTF-8')
  if (bytes.subarray(-METADATA_BYTES).lastIndexOf(METADATA_MARKER) >= 0)
    throw new TableProblem(['file'], 'is a MaxMind database', 'write format: mmdb')
  if (!isUtf8(bytes)) throw new TableProblem(['file'], 'is not in UTF-8', 'save it as UTF-8, for example with iconv')
  return withoutMark(bytes)
}

/** gzip, zstd, zip, bzip2, xz. */
const COMPRESSED = ['\x1f\x8b', '\x28\xb5\x2f\xfd', 'PK\x03\x04', 'BZh', '\xfd7zX']

function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}
