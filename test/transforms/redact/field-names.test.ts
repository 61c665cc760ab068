import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import redact from '../../../src/transforms/redact.ts'
import { isObject } from '../../../src/record/json/json.ts'
import type { Json } from '../../../src/record/json/json.ts'
import { fixture } from '../../support/paths.ts'
import { runStage } from '../stage.ts'

/**
 * Names of fields from public schemas and samples of vendors, labelled by hand by their meaning.
 * A name with `/` is a path into an object. `ambiguous.tsv` is not measured: these names are secret
 * in one place and harmless in others. The names of `held-out*.tsv` were not looked at while the
 * tables were written.
 */
const LEAST = new Map([
  ['held-out.tsv', { precision: 88, recall: 100 }],
  ['held-out-vendors.tsv', { precision: 87, recall: 100 }],
])

for (const file of await readdir(fixture('field-names'))) {
  if (file === 'ambiguous.tsv') continue
  void test(`tells the names of secrets in ${file} from names that only speak of them`, async (context) => {
    const rows = await readNames(file)
    const masked = await maskedOf(rows)
    const found = masked.filter(({ isSecret }) => isSecret)
    const missed = rows.filter((row) => row.isSecret && !masked.includes(row))
    const wrong = masked.filter(({ isSecret }) => !isSecret)
    const precision = masked.length === 0 ? 100 : (100 * found.length) / masked.length
    const recall = found.length + missed.length === 0 ? 100 : (100 * found.length) / (found.length + missed.length)
    const figures = `precision ${precision.toFixed(1)} %, recall ${recall.toFixed(1)} %`
    context.diagnostic(`${file}: ${rows.length} names, ${found.length + missed.length} secret, ${figures}`)
    const least = LEAST.get(file)
    assert.deepEqual(missed, [])
    if (least === undefined) assert.deepEqual(wrong, [])
    else assert.ok(precision >= least.precision && recall >= least.recall, figures)
  })
}

interface Row {
  readonly vendor: string
  readonly path: readonly string[]
  readonly isSecret: boolean
}

/** Columns are named in the first line; a line that starts with `#` names the source of the next ones. */
async function readNames(file: string): Promise<Row[]> {
  const text = await readFile(fixture(`field-names/${file}`), 'utf8')
  const [header, ...lines] = text.trimEnd().split('\n')
  const columns = header.split('\t')
  let source = ''
  return lines.flatMap((line) => {
    if (line.startsWith('# ')) source = line
    if (line.startsWith('# ')) return []
    const cells = line.split('\t')
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? ''
    const verdict = cell('verdict')
    assert.ok(verdict === 'secret' || verdict === 'no', line)
    assert.ok(cell('why').length > 0, line)
    return [{ vendor: cell('vendor') || source, path: cell('name').split('/'), isSecret: verdict === 'secret' }]
  })
}

/** The rows whose value does not stay. Paths of one source that start with the same key make one record. */
async function maskedOf(rows: readonly Row[]): Promise<Row[]> {
  const records: { [key: string]: Json }[] = []
  const shared = new Map<string, number>()
  const recordOf = rows.map(({ vendor, path }) => {
    const at = (path.length === 1 ? undefined : shared.get(`${vendor} ${path[0]}`)) ?? records.length
    if (path.length > 1) shared.set(`${vendor} ${path[0]}`, at)
    put((records[at] ??= {}), path)
    return at
  })
  const { lines } = await runStage(redact, {}, records)
  const redacted = lines.map((line): Json => JSON.parse(line))
  return rows.filter(({ path }, at) => valueAt(redacted[recordOf[at]], path) !== 'x')
}

function put(record: { [key: string]: Json }, path: readonly string[]): void {
  const [key, ...rest] = path
  if (rest.length === 0) {
    record[key] = 'x'
    return
  }
  const inner = record[key]
  const object = isObject(inner) ? inner : {}
  record[key] = object
  put(object, rest)
}

function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : at), value)
}
