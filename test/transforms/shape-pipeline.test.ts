import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { test } from 'node:test'
import { openWorkspace } from '../support/command.ts'

const PIPELINE = `
source: { type: file, path: in.ndjson }
transforms:
  - { type: redact, preset: none, rules: [{ path: ip, action: mask, with: hidden }] }
  - type: set
    members: [{ path: kind, template: '{record.service}-{record.type}' }, { path: meta.ip, from: ip }]
  - { type: rename, members: [{ from: uuid, to: id }] }
  - { type: remove, paths: [debug, type] }
  - { type: dedup, key: id }
  - { type: keep, paths: [id, kind, meta, n] }
sink: { type: file, path: out, key: '{record.kind}' }
`

const EVENTS = `{"uuid":"a","service":"sso","type":"login","ip":"10.0.0.1","n":1.10,"debug":1}
{"uuid":"a","service":"sso","type":"login","ip":"10.0.0.1","n":2}
{"uuid":"b","service":"sso","type":"login","ip":"10.0.0.2","meta":"text"}
{"uuid":"c","id":"d","service":"ldap","type":"bind","ip":"10.0.0.3"}
`

test('key templates and dedup keys see what set and rename have written; rejects replay with what they had', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', EVENTS)
  await workspace.write('pipelines/p.yaml', PIPELINE)
  const checked = await workspace.sluice(['check', 'p'])
  assert.equal(checked.code, 0, checked.stderr)
  const report = await workspace.report(['run', 'p'])
  assert.equal(report.written, 1)
  const objects = await readOut(workspace.path('out'))
  assert.deepEqual(objects, { 'sso-login': '{"n":1.10,"kind":"sso-login","meta":{"ip":"hidden"},"id":"a"}\n' })

  const rejects = await workspace.sluice(['rejects', 'show', 'p', '--json'])
  assert.match(rejects.stdout, /"code":"PATH_BLOCKED","stage":"set".*"ip":"hidden","meta":"text"/)
  assert.match(rejects.stdout, /"code":"KEY_EXISTS","stage":"rename".*"uuid":"c","id":"d"/)
  await workspace.write('pipelines/p.yaml', PIPELINE.replace('to: id }] }', 'to: id }], existing: replace }'))
  const refused = await workspace.sluice(['rejects', 'replay', 'p'])
  assert.match(refused.stderr, /STATE_MISMATCH: .*rename before dedup/)
  assert.equal((await workspace.sluice(['state', 'accept', 'p', '--yes'])).code, 0)
  await workspace.sluice(['rejects', 'replay', 'p'])
  const { 'ldap-bind': corrected } = await readOut(workspace.path('out'))
  assert.equal(corrected, '{"id":"c","kind":"ldap-bind","meta":{"ip":"hidden"}}\n')
  const left = await workspace.sluice(['rejects', 'show', 'p', '--json'])
  assert.match(left.stdout, /"code":"PATH_BLOCKED"/)
  assert.doesNotMatch(left.stdout, /KEY_EXISTS/)
})

/** The same records in two files, beside other records: in other batches. */
const BESIDE = {
  'in/1.ndjson': ['{"id":"a","type":"x"}', '{"id":"b","type":"y","kind":"own"}'],
  'in/2.ndjson': [
    '{"id":"a","type":"x"}',
    '{"id":"c","type":"x","u":{"n":1}}',
    '{"id":"d","type":"x","u":5,"ip":"1.2.3.4"}',
  ],
  'in/3.ndjson': [
    '{"id":"b","type":"y","kind":"own"}',
    '{"id":"d","type":"x","u":5,"ip":"1.2.3.4"}',
    '{"id":"e","k":1}',
  ],
}

test('what becomes of a record does not depend on the records of its batch', async (t) => {
  const workspace = await openWorkspace(t)
  for (const [file, lines] of Object.entries(BESIDE)) await workspace.write(file, `${lines.join('\n')}\n`)
  await workspace.write(
    'pipelines/p.yaml',
    `
source: { type: file, path: in/*.ndjson }
transforms:
  - type: set
    members: [{ path: kind, value: none, ifAbsent: true }, { path: u.v, template: 'v{record.type}' }, { path: team, value: t }]
  - { type: redact, preset: none, rules: [{ path: ip, action: mask }] }
  - { type: rename, members: [{ from: k, to: kind }] }
  - { type: dedup, key: [id, kind] }
sink: { type: file, path: out, key: '{record.u.v}' }
`,
  )
  const report = await workspace.report(['run', 'p'])
  assert.deepEqual([report.read, report.written, report.duplicate, report.duplicateDiffers], [8, 3, 3, 0])
  assert.deepEqual(await readOut(workspace.path('out')), {
    vx: [
      '{"id":"a","type":"x","kind":"none","u":{"v":"vx"},"team":"t"}',
      '{"id":"c","type":"x","u":{"n":1,"v":"vx"},"kind":"none","team":"t"}',
      '',
    ].join('\n'),
    vy: '{"id":"b","type":"y","kind":"own","u":{"v":"vy"},"team":"t"}\n',
  })
  // The reject of `d` is there once: it was recognised when it was read again.
  const rejects = await workspace.sluice(['rejects', 'show', 'p', '--json'])
  assert.equal(rejects.stdout.match(/"id":"d"/g)?.length, 1, rejects.stdout)
})

/** The lines below each key of a file sink. */
async function readOut(folder: string): Promise<{ [key: string]: string }> {
  const found: { [key: string]: string } = {}
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    const text = (entry.name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    found[entry.parentPath.slice(folder.length + 1)] = text
  }
  return found
}
