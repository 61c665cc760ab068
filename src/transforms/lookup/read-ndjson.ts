import { SluiceError } from '../../errors.ts'
import { suggest } from '../../fields/suggest.ts'
import type { Batch } from '../../record/batch.ts'
import { LINE_FEED } from '../../record/json/ascii.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import { openBatches } from '../../record/open-batches.ts'
import { Paths } from '../../record/paths/path.ts'
import type { Path } from '../../record/paths/path.ts'
import { defaultLimits, ValueKind } from '../../record/scan.ts'
import type { ReadRows, TakeRow } from './read-rows.ts'
import { TableProblem } from './table-problem.ts'

/** Reads the rows of an NDJSON file with the record engine: values keep their bytes. */
export const readRows: ReadRows = async (text, { by = '', columns }, take) => {
  const paths = new Paths()
  const key = memberPath(paths, by, ['by'])
  const wanted = columns.map((column, index) => memberPath(paths, column, ['set', index, 'from']))
  const found = new Set<Path>()
  let line = 1
  for (let at = 0; at < text.length;) {
    const end = endOfPart(text, at)
    const chunk = { bytes: text.subarray(at, end), origin: { name: '', line } }
    for (const batch of openBatches(chunk, { partition: '', number: 0, paths, limits: defaultLimits })) {
      takeRows(batch, { key, wanted, found }, take)
      line += batch.index.lines
    }
    at = end
    // Others may work between two parts.
    await new Promise(setImmediate)
  }
  const names = namesIn(text)
  if (!found.has(key)) throw new TableProblem(['by'], `has no line with ${by}`, suggest(by, names, 'members'))
  return columns
    .filter((_, index) => !found.has(wanted[index]))
    .map((column) => ({ column, hint: suggest(column, names, 'members') }))
}

/** @throws TableProblem if the text is not a path of keys */
function memberPath(paths: Paths, text: string, at: readonly (string | number)[]): Path {
  try {
    const path = paths.add(text)
    if (path.keys !== undefined) return path
    throw new TableProblem(at, `is NDJSON, and ${text} may match several values of a line`, 'write a path of keys')
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw new TableProblem(at, `is NDJSON, and its members have paths; ${error.message}`, error.hint)
  }
}

const PART = 1 << 20

/** The end of a part of whole lines. */
function endOfPart(text: Buffer, start: number): number {
  if (start + PART >= text.length) return text.length
  const end = text.indexOf(LINE_FEED, start + PART)
  return end < 0 ? text.length : end + 1
}

interface Wanted {
  readonly key: Path
  readonly wanted: readonly Path[]
  /** Gets the paths that a row has. */
  readonly found: Set<Path>
}

function takeRows(batch: Batch, { key, wanted, found }: Wanted, take: TakeRow): void {
  const [fault] = batch.rejects
  if (fault) throw notARow(fault)
  for (let record = 0; record < batch.count; record++) {
    const keyHit = batch.hit(record, key)
    if (keyHit >= 0) found.add(key)
    const values = wanted.map((path) => {
      const hit = batch.hit(record, path)
      if (hit < 0) return undefined
      found.add(path)
      return batch.kind(hit) === ValueKind.null ? undefined : batch.raw(hit)
    })
    take({ line: batch.lineOf(record), key: keyHit < 0 ? '' : scalarOf(batch, keyHit), values })
  }
}

/** The text of a key; empty for null, an object and an array. */
function scalarOf(batch: Batch, hit: number): string {
  const kind = batch.kind(hit)
  return kind === ValueKind.null || kind === ValueKind.object || kind === ValueKind.array ? '' : batch.text(hit)
}

function notARow({ code, line }: { readonly code: string; readonly line: number }): TableProblem {
  const hint = 'each line has one JSON object; of an array, `jq -c ".[]"` makes such lines'
  return new TableProblem(['file'], `has a line that is not a record: line ${line} (${code})`, hint)
}

/** The members of the first lines. */
function namesIn(text: Buffer): string[] {
  const lines = text.toString('utf8', 0, Math.min(text.length, PART)).split('\n').slice(0, 100)
  return [...new Set(lines.flatMap(membersOf))]
}

function membersOf(line: string): string[] {
  try {
    const value: Json = JSON.parse(line)
    return isObject(value) ? Object.keys(value) : []
  } catch {
    return []
  }
}
