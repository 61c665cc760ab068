import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
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
    env: { HMAC_KEY: a-key-of-twenty-bytes }
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

test('a failing test shows the difference and its location, and exits with 1', async (t) => {
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
  assert.equal(code, 1)
  assert.match(stdout, /FAIL {2}wrong in every way {2}\(pipelines\/p\.yaml:8\)/)
  assert.match(stdout, /- +"d": 3\n +\+ +"d": 2/)
  assert.doesNotMatch(stdout, /[-+] +"c"/, 'the order of members does not matter')
  for (const part of ['rejects differ', 'dropped differs', 'expected 1 duplicate, found 0', '0 passed, 1 failed']) {
    assert.ok(stdout.includes(part), part)
  }
  assert.match(stderr, /TESTS_FAILED: 1 of 1 test failed/)
})

test('a failing test says which input records were rejected, where and why', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('ip.js', "export default (record) => record.reject('NO_OWNER', 'owner is empty')\n")
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: absent.ndjson }
transforms: [{ type: dedup, key: id }, { type: ../ip.js }]
sink: { type: file, path: out }
tests:
  - name: inline
    input:
      - { n: 1 }
      - not json
      - { id: 3 }
    expect: { output: [{ id: 3 }] }
  - name: from a file
    input: { file: ../in.ndjson }
    expect: { output: [] , duplicates: 1 }
`,
  )
  await workspace.write('in.ndjson', '{"id":1}\n[]\n')
  const { code, stdout } = await workspace.sluice(['test', 'p'])
  assert.equal(code, 1)
  for (const line of [
    '        3 records rejected:',
    '          pipelines/p.yaml:7  input 1  rejected: KEY_MISSING (dedup)',
    '          pipelines/p.yaml:8  input 2  rejected: INVALID_JSON (source) The line is not valid JSON.',
    '          pipelines/p.yaml:9  input 3  rejected: NO_OWNER (ip) owner is empty',
    '          in.ndjson:1  input 1  rejected: NO_OWNER (ip) owner is empty',
    '          in.ndjson:2  input 2  rejected: NOT_AN_OBJECT (source) The line is valid JSON, but not an object.',
  ]) {
    assert.ok(stdout.includes(line), `${line}\n${stdout}`)
  }
})

test('a failing test shows numbers as they are spelled, and compares them by value', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: absent.ndjson }
sink: { type: file, path: out }
tests:
  - name: numbers
    input: ['{"id":9007199254740993123,"price":1.10,"huge":1e400,"cost":2.50}']
    expect: { output: [{ id: 1, price: 1.1, huge: 1, cost: 2.5 }] }
  - name: equal
    input: ['{"price":1.10,"count":1e2}']
    expect: { output: [{ price: 1.1, count: 100 }] }
`,
  )
  const { stdout } = await workspace.sluice(['test', 'p'])
  assert.match(stdout, /\+ +"id": 9007199254740993123/)
  assert.match(stdout, /\+ +"huge": 1e400/)
  assert.doesNotMatch(stdout, /[-+] +"(price|cost)"/, 'equal numbers are no difference')
  assert.match(stdout, /ok {4}equal/)
})

test('expected records may be JSON text, for numbers that YAML would round', async (t) => {
  const workspace = await openWorkspace(t)
  for (const [output, code, text] of [
    ['{"huge":1e400,"id":9007199254740993123}', 0, /ok {4}big/],
    ['{"huge":1e400,"id":9007199254740993124}', 1, /- +"id": 9007199254740993124\n +\+ +"id": 9007199254740993123/],
    ['{"huge":1e400', 2, /CONFIG_INVALID: expect\.output\[0\] of test "big" is not JSON/],
  ] as const) {
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: absent.ndjson }
sink: { type: file, path: out }
tests:
  - name: big
    input: ['{"id":9007199254740993123,"huge":1e400}']
    expect: { output: ['${output}'] }
`,
    )
    const result = await workspace.sluice(['test', 'p'])
    assert.match(result.stdout + result.stderr, text)
    assert.equal(result.code, code)
  }
})

test('paths of context.path can be used with the record, as its texts can', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/paths.ts',
    `import { defineTransform } from 'sluice'
export default defineTransform({
  summary: 'Uses paths.',
  fields: {},
  create: (_config, context) => {
    const a = context.path('a.b')
    const gone = context.path('gone')
    const all = context.path('list[*]')
    return (record) =>
      record.has(a)
        ? record.set(context.path('seen'), [record.get(a), record.text(a), record.get(all)]).delete(gone)
        : record.reject('NONE')
  },
})
`,
  )
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: absent.ndjson }
transforms: [{ type: ./paths.ts }]
sink: { type: file, path: out }
tests:
  - name: paths
    input: ['{"a":{"b":1.10},"gone":1,"list":[1,2]}', '{}']
    expect:
      output: [{ a: { b: 1.1 }, list: [1, 2], seen: [1.1, '1.10', [1, 2]] }]
      rejects: [{ code: NONE }]
`,
  )
  const { code, stdout } = await workspace.sluice(['test', 'p'])
  assert.equal(code, 0, stdout)
})

test('rules that matched nothing in all tests of a pipeline together are named, and fail no test', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: absent.ndjson }
transforms:
  - type: redact
    rules:
      - { path: initated_by.email, action: mask }
      - { path: ip, action: mask }
      - { path: place, when: { kind: login }, action: drop }
      - { path: device, when: { kind: logn }, action: drop }
sink: { type: stdout }
tests:
  - name: first
    input: [{ ip: 10.1.2.3, device: x }]
    expect: { output: [{ ip: '[redacted]', device: x }] }
  - name: second
    input: [{ kind: login, place: x, initiated_by: { email: a } }]
    expect: { output: [{ kind: login, initiated_by: { email: a } }] }
`,
  )
  await workspace.write('pipelines/q.yaml', 'source: { type: file, path: x }\nsink: { type: stdout }\n')
  const { code, stdout, stderr } = await workspace.sluice(['test'])
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'p\n  ok    first\n  ok    second\nq: no tests\n2 passed, 0 failed\n')
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    'p: a rule matched nothing in all tests; is its path misspelt? redact: rules[0] initated_by.email',
    'p: a rule matched nothing in all tests; is its path misspelt? redact: rules[3] device',
  ])
})

test('a pipeline with a mistake hides no test of the others', async (t) => {
  const workspace = await openWorkspace(t)
  const tests = '  - { name: passes, input: [{ id: 1 }], expect: { output: [{ id: 1 }] } }\n'
  await workspace.write('pipelines/a.yaml', `sorce: {}\n${pipeline}${tests}`)
  await workspace.write('pipelines/b.yaml', pipeline.replace('  - { type: redact', '  # - { type: redact') + tests)
  const { code, stdout, stderr } = await workspace.sluice(['test', '--junit', 'tests.xml'])
  assert.equal(code, 2)
  assert.equal(stdout, 'b\n  ok    passes\n1 passed, 0 failed\n')
  assert.match(stderr, /pipelines\/a\.yaml:1:1 error: unknown key "sorce"[^]*CONFIG_INVALID: 1 error in a\n/)
  const xml = await readFile(workspace.path('tests.xml'), 'utf8')
  assert.match(xml, /<testsuites name="sluice" tests="2" failures="0" errors="1"/)
  assert.match(xml, /<testcase classname="a" name="the pipeline is valid">\n +<error type="CONFIG_INVALID"/)
})
