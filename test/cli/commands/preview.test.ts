import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { openWorkspace } from '../../support/command.ts'

test('preview marks changes, hides redacted values, and writes nothing', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('tag.js', "export default (record) => record.set('seen', true)\n")
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: absent.ndjson }
transforms:
  - { type: filter, drop: { kind: noise } }
  - { type: redact, rules: [{ path: ip, action: mask }, { path: place, action: drop }] }
  - { type: ../tag.js }
  - { type: dedup, key: id }
sink: { type: file, path: out }
`,
  )
  const input = [
    '{"id":1,"ip":"10.1.2.3","place":{"x":1},"n":1}',
    'oops',
    '{"id":1}',
    '{"id":2,"kind":"noise"}',
    '{"id":3}',
  ]
  await workspace.write('in.ndjson', `${input.join('\n')}\n`)

  const { code, stdout, stderr } = await workspace.sluice(['preview', 'p', 'in.ndjson', '--limit', '4'])

  assert.equal(code, 0, stderr)
  assert.ok(!stdout.includes('10.1.2.3') && !stdout.includes('"x": 1'))
  const [first, second, third, fourth, ...more] = stdout.split(/(?=in\.ndjson:)/)
  assert.equal(
    first,
    `in.ndjson:1
  {
    "id": 1,
-   "ip": "(hidden)",
-   "place": {
-     "x": "(hidden)"
-   },
+   "ip": "[redacted]",
    "n": 1,
+   "seen": true
  }

`,
  )
  assert.match(second, /^in\.ndjson:2 {2}rejected: INVALID_JSON \(source\)\n/)
  assert.match(third, /^in\.ndjson:3 {2}duplicate\n/)
  assert.match(fourth, /^in\.ndjson:4 {2}dropped: filter\n/)
  assert.deepEqual(more, [])
  assert.deepEqual((await readdir(workspace.folder)).toSorted(), ['in.ndjson', 'package.json', 'pipelines', 'tag.js'])
})
