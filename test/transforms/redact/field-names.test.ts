import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import redact from '../../../src/transforms/redact.ts'
import { isObject } from '../../../src/record/json/json.ts'
import type { Json } from '../../../src/record/json/json.ts'
import { fixture } from '../../support/paths.ts'
import { runStage } from '../stage.ts'

/**
 * Names of fields from public schemas and samples of vendors, labelled by their meaning; see
 * `test/fixtures/field-names/README.md`. A name with `/` is a path into an object.
 */
const LEAST = new Map([
  // Not looked at while the tables were written.
  ['held-out.tsv', { precision: 88, recall: 100 }],
  ['held-out-vendors.tsv', { precision: 89, recall: 100 }],
  ['held-out-fifth.tsv', { precision: 95, recall: 100 }],
  ['held-out-google.tsv', { precision: 65, recall: 94 }],
  // What is unknown in an object of secrets is masked, on purpose.
  ['cloudtrail-members.tsv', { precision: 60, recall: 100 }],
])
/** Names without verdicts. */
const OTHERS = ['README.md', 'ambiguous.tsv', 'cloudtrail-ordinary.tsv']

for (const file of await readdir(fixture('field-names'))) {
  if (OTHERS.includes(file)) continue
  void test(`tells the names of secrets in ${file} from names that only speak of them`, async (context) => {
    const all = await readNames(file)
    const redacted = await maskedOf(all)
    const rows = all.filter(({ isOther }) => !isOther)
    const masked = redacted.filter(({ isOther }) => !isOther)
    const found = masked.filter(({ isSecret }) => isSecret)
    const missed = rows.filter((row) => row.isSecret && !masked.includes(row))
    const wrong = masked.filter(({ isSecret }) => !isSecret)
    const precision = masked.length === 0 ? 100 : (100 * found.length) / masked.length
    const recall = found.length + missed.length === 0 ? 100 : (100 * found.length) / (found.length + missed.length)
    const figures = `precision ${precision.toFixed(1)} %, recall ${recall.toFixed(1)} %`
    context.diagnostic(`${file}: ${rows.length} names, ${found.length + missed.length} secret, ${figures}`)
    const least = LEAST.get(file)
    if (least === undefined || least.recall === 100) assert.deepEqual(missed, [])
    if (least === undefined) assert.deepEqual(wrong, [])
    else assert.ok(precision >= least.precision && recall >= least.recall, figures)
    // Names of two meanings: the preset decides for the other one.
    const others = all.filter(({ isOther }) => isOther)
    if (others.length > 0) context.diagnostic(`${file}: ${others.length} names with another meaning`)
    for (const row of others) assert.equal(redacted.includes(row), !row.isSecret, row.path.join('/'))
  })
}

void test('keeps the ordinary members of the requests and responses of AWS', async (context) => {
  const [, ...lines] = (await readFile(fixture('field-names/cloudtrail-ordinary.tsv'), 'utf8')).trimEnd().split('\n')
  const names = lines.flatMap((line) => line.split('\t')[1].split(' '))
  const redacted = await runStage(
    redact,
    {},
    names.map((name) => ({ [name]: 'x' })),
  )
  context.diagnostic(`${names.length} names`)
  assert.deepEqual(
    names.filter((_, at) => redacted.lines[at].includes('[redacted]')),
    [],
  )
})

interface Row {
  readonly vendor: string
  readonly path: readonly string[]
  readonly isSecret: boolean
  /** Whether the name has another meaning elsewhere, and the preset decides for that one. */
  readonly isOther: boolean
  readonly value: Json
}

/** Kinds of values. */
const VALUES: { readonly [kind: string]: Json } = {
  string: 'x',
  map: { m: 'x' },
  object: { m: { n: 'x' } },
  number: 5,
  boolean: true,
  time: '2024-03-04T18:01:26Z',
  enum: 'ROTATE',
  permission: 'write',
  result: 'Success',
  arn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:a',
  base64: 'IyEvYmluL2Jhc2gKZWNobyBoZWxsbw==',
  pem: ['-----BEGIN RSA', 'PRIVATE KEY-----\nMIIE\n-----END RSA', 'PRIVATE KEY-----'].join(' '),
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
    const kind = cell('value') || 'string'
    assert.match(verdict, /^(?:secret|no)\??$/, line)
    assert.ok(cell('why').length > 0 && kind in VALUES, line)
    const row: Row = {
      vendor: `${cell('vendor')} ${cell('source') || source}`,
      path: cell('name').split('/'),
      isSecret: verdict.startsWith('secret'),
      isOther: verdict.endsWith('?'),
      value: VALUES[kind],
    }
    const small = row.path[0].slice(0, 1).toLowerCase() + row.path[0].slice(1)
    // CloudTrail writes the first letter of a name small.
    const isSpelledTwice =
      cell('vendor') === 'CloudTrail' && row.path.length === 1 && small !== row.path[0] && !small.includes('-')
    return isSpelledTwice ? [row, { ...row, path: [small] }] : [row]
  })
}

/** The rows whose value does not stay. Paths of one source that start with the same key make one record. */
async function maskedOf(rows: readonly Row[]): Promise<Row[]> {
  const records: { [key: string]: Json }[] = []
  const shared = new Map<string, number>()
  const recordOf = rows.map(({ vendor, path, value }) => {
    const at = (path.length === 1 ? undefined : shared.get(`${vendor} ${path[0]}`)) ?? records.length
    if (path.length > 1) shared.set(`${vendor} ${path[0]}`, at)
    put((records[at] ??= {}), path, value)
    return at
  })
  const { lines } = await runStage(redact, {}, records)
  const redacted = lines.map((line): Json => JSON.parse(line))
  return rows.filter(
    ({ path, value }, at) => JSON.stringify(valueAt(redacted[recordOf[at]], path)) !== JSON.stringify(value),
  )
}

function put(record: { [key: string]: Json }, path: readonly string[], value: Json): void {
  const [key, ...rest] = path
  if (rest.length === 0) {
    record[key] = value
    return
  }
  const inner = record[key]
  const object = isObject(inner) ? inner : {}
  record[key] = object
  put(object, rest, value)
}

function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : at), value)
}
