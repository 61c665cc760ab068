import { closest } from '../../fields/suggest.ts'
import { isList, isObject } from '../../record/json/json.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { readAddress } from './address.ts'
import type { Words } from './address.ts'
import { METADATA_BYTES, METADATA_MARKER, MmdbDamage, MmdbDecoder } from './mmdb-decoder.ts'
import { MmdbTree } from './mmdb-tree.ts'
import { NOT_AN_ADDRESS, NOT_FOUND } from './table.ts'
import type { Table, TableOptions } from './table.ts'
import { tableInvalid, TableProblem } from './table-problem.ts'
import { parseValuePath } from './value-path.ts'

/**
 * Opens a MaxMind DB. The file stays in memory as it is; records are decoded when they are found. Its
 * search tree is checked as a whole, and some of its records. A row is the offset of a record.
 * @throws TableProblem
 */
export function openMmdb(bytes: Buffer, { file, columns, match }: TableOptions): Table {
  if (match === 'exact')
    throw new TableProblem(['match'], 'is a MaxMind database, which is searched by IP address', 'leave match out')
  const paths = columns.map((column, index) => parseValuePath(column, ['set', index, 'from']))
  const { tree, decoder, about, samples } = whole(() => openParts(bytes))
  const known = new Set(samples.flatMap((sample) => pathsIn(sample)))
  const words = new Uint32Array(4)
  const orThrow = <Value>(read: () => Value): Value => {
    try {
      return whole(read)
    } catch (error) {
      throw error instanceof TableProblem ? tableInvalid(file, error) : error
    }
  }
  return {
    format: 'mmdb',
    find(text, start, end) {
      const version = readAddress(text, start, end, words)
      if (version === 0) return NOT_AN_ADDRESS
      return orThrow(() => find(tree, words, version))
    },
    valuesOf: (row) =>
      orThrow(() =>
        paths.map((path) => {
          const json = decoder.json(row, path)
          return json === undefined ? undefined : Buffer.from(json)
        }),
      ),
    about,
    keyless: undefined,
    unknown: columns.filter((column) => !known.has(column)).map((column) => ({ column, hint: hintOf(column, known) })),
  }
}

function find(tree: MmdbTree, words: Words, version: 4 | 6): number {
  const row = version === 4 ? tree.findIpv4(words) : tree.findIpv6(words)
  return row === undefined ? NOT_FOUND : row
}

/** A database, after its metadata and its tree are checked. */
function openParts(bytes: Buffer) {
  const end = bytes.lastIndexOf(METADATA_MARKER)
  if (end < bytes.length - METADATA_BYTES || end < 0) throw notADatabase(bytes)
  const metadata = metadataOf(bytes, end + METADATA_MARKER.length)
  const tree = new MmdbTree(bytes.subarray(0, end), metadata)
  const decoder = new MmdbDecoder(bytes, tree.bytes + SEPARATOR, end)
  const samples = tree.check(SAMPLES).map((row): Json => JSON.parse(decoder.json(row, []) ?? 'null'))
  const day = new Date(metadata.build_epoch * 1000).toISOString().slice(0, 10)
  return { tree, decoder, samples, about: `${metadata.database_type} of ${day}` }
}

/** Zeros between the tree and the data. */
const SEPARATOR = 16
/** Records that are decoded at the start. */
const SAMPLES = 1000

function notADatabase(bytes: Buffer): TableProblem {
  const begin = bytes.toString('latin1', 0, 2)
  if (begin === '\x1f\x8b') {
    const hint = 'unpack the archive (`tar -xzf`), or let geoipupdate fetch the file'
    return new TableProblem(['file'], 'is compressed', hint)
  }
  const hint = 'it has no metadata at its end: it may be another format, or a download that was cut off'
  return new TableProblem(['file'], 'is not a MaxMind database', hint)
}

function metadataOf(bytes: Buffer, start: number) {
  const metadata: Json = JSON.parse(new MmdbDecoder(bytes, start, bytes.length).json(0, []) ?? 'null')
  if (!isObject(metadata)) throw new MmdbDamage('metadata that are not a map')
  const version = numberOf(metadata, 'binary_format_major_version')
  if (version !== 2) throw new MmdbDamage(`version ${version} of the format, and only 2 is known`)
  const { database_type } = metadata
  return {
    node_count: numberOf(metadata, 'node_count'),
    record_size: numberOf(metadata, 'record_size'),
    ip_version: numberOf(metadata, 'ip_version'),
    build_epoch: Math.min(numberOf(metadata, 'build_epoch'), LAST_EPOCH),
    database_type: typeof database_type === 'string' ? database_type.slice(0, 100) : 'a database',
  }
}

/** The end of the year 9999. */
const LAST_EPOCH = 253_402_300_799

function numberOf(metadata: JsonObject, name: string): number {
  const { [name]: number } = metadata
  if (typeof number === 'number' && number >= 0) return number
  throw new MmdbDamage(`metadata without ${name}`)
}

function whole<Value>(read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MmdbDamage)) throw error
    throw new TableProblem(['file'], `is damaged: it has ${error.message}`, 'fetch the file again')
  }
}

/** All paths in a record, as they are written in `from`. */
function pathsIn(value: Json, path = ''): string[] {
  if (isList(value)) return [path, ...value.flatMap((element, at) => pathsIn(element, `${path}[${at}]`))]
  if (!isObject(value)) return [path]
  const inside = Object.entries(value).flatMap(([key, member]) => pathsIn(member, path === '' ? key : `${path}.${key}`))
  return [path, ...inside]
}

function hintOf(column: string, known: ReadonlySet<string>): string {
  const near = closest(column, known)
  const shown = [...known].filter((path) => path !== '' && !path.includes('names.')).slice(0, MAX_SHOWN)
  const list = `its records have ${shown.join(', ')}`
  return near === undefined || near === '' ? list : `did you mean "${near}"? ${list}`
}

const MAX_SHOWN = 12
