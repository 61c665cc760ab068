import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import redact from '../../../src/transforms/redact.ts'
import { fixture } from '../../support/paths.ts'
import { runStage } from '../stage.ts'

/** In the fixtures, ⟦ and ⟧ are around each secret; § cuts some, so that scanners ignore them. */
async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(fixture(`redaction/${file}`), 'utf8')
  return text.trimEnd().split('\n')
}

test('masks the secrets in events of many vendors, wherever they are, and keeps valid JSON', async (context) => {
  const marked = (await linesOf('leaks.txt')).map((line) => line.replaceAll('§', ''))
  const { lines } = await runStage(
    redact,
    {},
    marked.map((line) => line.replaceAll(/[⟦⟧]/g, '')),
  )
  assert.equal(lines.length, marked.length)
  context.diagnostic(`${marked.length} events with secrets`)
  for (const [at, line] of marked.entries()) {
    const secrets = [...line.matchAll(/⟦(.*?)⟧/g)].map(([, secret]) => secret)
    assert.ok(secrets.length > 0, line)
    JSON.parse(lines[at])
    for (const secret of secrets) assert.ok(!lines[at].includes(secret), `leaked: ${lines[at]}`)
  }
})

test('keeps the harmless events of many vendors byte by byte', async (context) => {
  const harmless = await linesOf('harmless.txt')
  const { lines } = await runStage(redact, {}, harmless)
  context.diagnostic(`${harmless.length} events without secrets`)
  assert.deepEqual(lines, harmless)
})
