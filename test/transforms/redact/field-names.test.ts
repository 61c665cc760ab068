import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import redact from '../../../src/transforms/redact.ts'
import { fixture } from '../../support/paths.ts'
import { runStage } from '../stage.ts'

/**
 * Names of fields from public schemas and samples of vendors, labelled by hand by their meaning.
 * The names of `held-out.tsv` were not looked at while the tables were written.
 */
for (const { file, precision, recall } of [
  { file: 'vendors.tsv', precision: 100, recall: 100 },
  { file: 'sourced.tsv', precision: 100, recall: 100 },
  { file: 'held-out.tsv', precision: 88, recall: 100 },
]) {
  void test(`tells the names of secrets in ${file} from names that only speak of them`, async (context) => {
    const rows = await readNames(file)
    const { lines } = await runStage(
      redact,
      {},
      rows.map(({ name }) => ({ [name]: 'x' })),
    )
    const masked = rows.filter((_, at) => lines[at].includes('[redacted]'))
    const found = masked.filter(({ isSecret }) => isSecret)
    const missed = rows.filter((row) => row.isSecret && !masked.includes(row))
    const wrong = masked.filter(({ isSecret }) => !isSecret)
    const figures = {
      precision: (100 * found.length) / masked.length,
      recall: (100 * found.length) / (found.length + missed.length),
    }
    context.diagnostic(
      `${file}: ${rows.length} names, precision ${figures.precision.toFixed(1)} %, recall ${figures.recall.toFixed(1)} %`,
    )
    assert.deepEqual(missed, [])
    if (precision === 100) assert.deepEqual(wrong, [])
    assert.ok(figures.precision >= precision, `precision ${figures.precision}`)
    assert.ok(figures.recall >= recall, `recall ${figures.recall}`)
  })
}

async function readNames(file: string): Promise<{ vendor: string; name: string; isSecret: boolean }[]> {
  const text = await readFile(fixture(`field-names/${file}`), 'utf8')
  const [, ...rows] = text.trimEnd().split('\n')
  return rows.map((row) => {
    const [vendor, name, verdict, why] = row.split('\t')
    assert.ok(verdict === 'secret' || verdict === 'no', row)
    assert.ok(why.length > 0, row)
    return { vendor, name, isSecret: verdict === 'secret' }
  })
}
