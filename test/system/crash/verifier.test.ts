import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { runVerifier } from './support/job.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const CORRECT = {
  'objects/a.ndjson': '{"id":"1"}\n',
  'objects/deep/b.ndjson.gz': Buffer.concat([gzipSync('{"id":"2"}\n'), gzipSync('{"id":"3"}\n')]),
  'rejects/r.ndjson': '{"code":"X","record":{"id":"4"}}\n{"code":"INVALID_JSON","digest":"d5"}\n',
  expected: '1\n2\n3\n4\nd5\n6\n',
  dropped: '6\n',
  'puts.json': '{"objects/a.ndjson":1}',
}

describe('the verifier', () => {
  test('accepts a correct output', async (t) => {
    const { code, report } = await runOn(t, CORRECT)
    assert.equal(code, 0)
    assert.deepEqual([report.objects, report.written, report.rejected, report.dropped], [2, 3, 2, 1])
  })

  const wrong: { readonly [name: string]: [problem: string, changes: Partial<typeof CORRECT>] } = {
    'a missing record': ['missing', { 'objects/a.ndjson': '{"id":"2"}\n' }],
    'a repeated record': ['repeated', { 'objects/a.ndjson': '{"id":"1"}\n{"id":"1"}\n' }],
    'a record that is written and rejected': ['repeated', { 'rejects/r.ndjson': '{"record":{"id":"1"}}\n' }],
    'a record that was not in the source': ['unexpected', { 'objects/a.ndjson': '{"id":"1"}\n{"id":"7"}\n' }],
    'a record that must be dropped': ['unexpected', { 'objects/a.ndjson': '{"id":"1"}\n{"id":"6"}\n' }],
    'an object that was written twice': ['rewritten', { 'puts.json': '{"objects/a.ndjson":2}' }],
    'an object whose last line is truncated': ['damaged', { 'objects/a.ndjson': '{"id":"1"}\n{"i' }],
    'a .gz object that is not gzip': ['damaged', { 'objects/deep/b.ndjson.gz': Buffer.from('{"id":"2"}\n') }],
  }
  for (const [name, [problem, changes]] of Object.entries(wrong)) {
    test(`finds ${name}`, async (t) => {
      const { code, report } = await runOn(t, { ...CORRECT, ...changes })
      assert.equal(code, 1)
      assert.ok(report[problem].count > 0, JSON.stringify(report))
    })
  }

  test('exits with 2 without its required options', async () => {
    assert.equal((await runVerifier([])).code, 2)
  })
})

async function runOn(t: TestContext, files: { readonly [name: string]: string | Buffer }) {
  const folder = await temporaryFolder(t)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  const lists = ['objects', 'rejects', 'expected', 'dropped'].flatMap((name) => [`--${name}`, join(folder, name)])
  const { code, stdout } = await runVerifier([...lists, '--puts', join(folder, 'puts.json')])
  return { code, report: JSON.parse(stdout) }
}
