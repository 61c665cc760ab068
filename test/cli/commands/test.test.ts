import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openWorkspace } from '../../support/command.ts'

const pipeline = `source: { type: file, path: absent.ndjson }
transforms:
  - { type: filter, drop: { kind: noise } }
  - { type: redact, rules: [{ path: ip, action: hmac, key: "\${env:HMAC_KEY}" }] }
  - { type: dedup, key: id }
sink: { type: s3, bucket: "\${env:BUCKET}" }
tests:
`

test('passing tests need only their own environment', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('samples/in.ndjson', '{"id":3}\n{"id":3}\n')
  await workspace.write(
    'pipelines/p.yaml',
    `${pipeline}  - name: all ways out
    env: { HMAC_KEY: k }
    input: [{ id: 1, n: 2 }, { id: 1, n: 2 }, { id: 2, kind: noise }, "not json", { n: 1 }]
    expect:
      output: [{ n: 2, id: 1 }]
      duplicates: 1
      dropped: { filter: 1 }
      rejects: [{ code: INVALID_JSON, line: 4 }, { code: KEY_MISSING, stage: dedup }]
  - name: input from a file
    input: { file: ../samples/in.ndjson }
    expect: { output: [{ id: 3 }], duplicates: 1 }
`,
  )
  const { code, stdout, stderr } = await workspace.sluice(['test'])
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'p\n  ok    all ways out\n  ok    input from a file\n2 passed, 0 failed\n')
})

test('rejects are compared in the order of their lines, regardless of their stage', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `${pipeline}  - name: two rejects
    input: [{ n: 1 }, "not json"]
    expect: { rejects: [{ code: KEY_MISSING, line: 1 }, { code: INVALID_JSON, line: 2 }] }
`,
  )
  const { code, stdout } = await workspace.sluice(['test', 'p'])
  assert.equal(code, 0, stdout)
})

test('a failing test shows the difference and its location, and exits with 2', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `${pipeline}  - name: wrong in every way
    input: [{ id: 1, b: { d: 2, c: 1 } }]
    expect:
      output: [{ id: 1, b: { c: 1, d: 3 } }]
      duplicates: 1
      dropped: { filter: 1 }
      rejects: [{ code: INVALID_JSON }]
`,
  )
  const { code, stdout, stderr } = await workspace.sluice(['test', 'p'])
  assert.equal(code, 2)
  assert.match(stdout, /FAIL {2}wrong in every way {2}\(pipelines\/p\.yaml:8\)/)
  assert.match(stdout, /- +"d": 3\n +\+ +"d": 2/)
  assert.doesNotMatch(stdout, /[-+] +"c"/, 'the order of members does not matter')
  for (const part of ['rejects differ', 'dropped differs', 'expected 1 duplicate, found 0', '0 passed, 1 failed']) {
    assert.ok(stdout.includes(part), part)
  }
  assert.match(stderr, /TESTS_FAILED: 1 of 1 test failed/)
})
