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
