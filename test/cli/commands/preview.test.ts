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
  assert.match(second, /^in\.ndjson:2 {2}rejected: INVALID_JSON \(source\) The line is not valid JSON\.\n/)
  assert.match(third, /^in\.ndjson:3 {2}duplicate\n/)
  assert.match(fourth, /^in\.ndjson:4 {2}dropped: filter\n/)
  assert.deepEqual(more, [])
  assert.deepEqual((await readdir(workspace.folder)).toSorted(), ['in.ndjson', 'package.json', 'pipelines', 'tag.js'])
})

test('preview hides a value that is redacted under another name', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('move.js', `export default (record) => record.set('later', record.get('pin'))\n`)
  for (const moving of [
    '{ type: rename, members: [{ from: pin, to: secret }] }',
    '{ type: set, members: [{ path: secret, from: pin }] }, { type: remove, paths: [pin] }',
    '{ type: set, members: [{ path: secret, template: "{record.id}-{record.pin}" }] }, { type: remove, paths: [pin] }',
    '{ type: ../move.js }, { type: remove, paths: [pin] }',
  ]) {
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: absent }
transforms: [${moving}, { type: redact, rules: [{ path: "{secret,later}", action: mask }] }]
sink: { type: stdout }
`,
    )
    await workspace.write('in.ndjson', '{"id":7,"pin":"4711","n":1}\n')
    const { code, stdout, stderr } = await workspace.sluice(['preview', 'p', 'in.ndjson'])
    assert.equal(code, 0, stderr)
    assert.ok(!stdout.includes('4711'), stdout)
    assert.match(stdout, /"n": 1/)
  }
})

test('preview prints every value as it is spelled', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', 'source: { type: file, path: absent }\nsink: { type: stdout }\n')
  await workspace.write(
    'in.ndjson',
    '{"id":9007199254740993123,"price":1.10,"huge":1e400,"e":"\\u00e9","a":[],"o":{}}\n',
  )
  const { stdout } = await workspace.sluice(['preview', 'p', 'in.ndjson'])
  assert.equal(
    stdout,
    `in.ndjson:1
  {
    "id": 9007199254740993123,
    "price": 1.10,
    "huge": 1e400,
    "e": "\\u00e9",
    "a": [],
    "o": {}
  }
`,
  )
})

test('preview shows a number that redaction rounds to the same JavaScript number as hidden', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('round.js', "export default (record) => record.set('n', 9007199254740993000)\n")
  await workspace.write(
    'pipelines/p.yaml',
    'source: { type: file, path: absent }\ntransforms: [{ type: ../round.js }]\nsink: { type: stdout }\n',
  )
  await workspace.write('in.ndjson', '{"n":9007199254740993123}\n')
  const { stdout } = await workspace.sluice(['preview', 'p', 'in.ndjson'])
  assert.match(stdout, /^- {3}"n": 9007199254740993123\n\+ {3}"n": 9007199254740993000$/m)
})

test('preview shows every reject with code, place and message, lines that are too long included', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', 'source: { type: file, path: absent }\nsink: { type: stdout }\n')
  const events = Array.from({ length: 9000 }, (_, id) => ({ id, text: 'x'.repeat(120) }))
  const envelopes = [
    { Records: events },
    { version: '1', skip: [1, { a: [{}] }], 'x-y': {}, items: events },
    { meta: { total: 1 }, data: { events } },
  ]
  const paths = ['Records', 'items', 'data.events']
  for (const [at, envelope] of envelopes.entries()) {
    for (const indent of [0, 1]) {
      await workspace.write('in.json', JSON.stringify(envelope, undefined, indent))
      const { code, stdout } = await workspace.sluice(['preview', 'p', 'in.json'])
      assert.equal(code, 0)
      assert.match(stdout, /^in\.json:1 {2}rejected: TOO_LONG \(source\) it holds a list of objects: /)
      const advice = `set \`records: ${paths[at]}\` in the source, or read a file with --records ${paths[at]}`
      assert.ok(stdout.includes(advice), stdout)
      const followed = await workspace.sluice(['preview', 'p', 'in.json', '--records', paths[at], '--limit', '9000'])
      assert.equal(followed.stdout.match(/^in\.json:\d+$/gm)?.length, 9000, followed.stdout.slice(0, 500))
    }
  }
  await workspace.write('in.json', `{"id":1}\n${'x'.repeat(1 << 21)}\n{"id":2}\nnull\n`)
  const { stdout } = await workspace.sluice(['preview', 'p', 'in.json'])
  assert.match(stdout, /^in\.json:2 {2}rejected: TOO_LONG \(source\) The line is longer than `limits\.maxLine`\.$/m)
  assert.match(
    stdout,
    /^in\.json:4 {2}rejected: NOT_AN_OBJECT \(source\) The line is valid JSON, but not an object\.$/m,
  )
})

test('preview says how to read an envelope that is short enough to be a record', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/schema.json', '{"required":["id"]}')
  const show = async (stage: string, event: object) => {
    const source = 'source: { type: file, path: absent }\nsink: { type: stdout }\n'
    await workspace.write('pipelines/p.yaml', `${source}transforms: [{ ${stage} }]\n`)
    await workspace.write('in.json', JSON.stringify(event))
    return (await workspace.sluice(['preview', 'p', 'in.json'])).stdout
  }
  const envelope = { Records: [{ id: 1 }, { id: 2 }] }
  const event = { time: '2024-03-04T05:06:07Z', message: 'x'.repeat(50), targets: [{ id: 1 }] }
  for (const [stage, code] of [
    ['type: dedup, key: id', 'KEY_MISSING'],
    ['type: validate, schema: ./schema.json', 'SCHEMA_VIOLATION'],
  ] as const) {
    const hint = 'read a file with --records Records'
    assert.match(await show(stage, envelope), new RegExp(`rejected: ${code} .*it holds a list of objects`))
    assert.ok((await show(stage, envelope)).includes(hint))
    const stdout = await show(stage, event)
    assert.match(stdout, new RegExp(`rejected: ${code} `))
    assert.ok(!stdout.includes('list of objects'), stdout)
  }
})

test('preview shows what it has read before the source fails, and says when there is nothing', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', 'source: { type: file, path: absent }\nsink: { type: stdout }\n')
  await workspace.write('cut.json', '[{"id":1},{"id":2} oops')
  const { code, stdout, stderr } = await workspace.sluice(['preview', 'p', 'cut.json'])
  assert.equal(code, 3)
  assert.match(stdout, /"id": 2/)
  assert.match(stderr, /INPUT_CORRUPT/)
  await workspace.write('empty.json', '[]')
  const empty = await workspace.sluice(['preview', 'p', 'empty.json'])
  assert.equal(empty.code, 0)
  assert.match(empty.stderr, /the source has no records to show/)
})

test('preview needs no variable of the sinks', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
sink: { type: s3, bucket: "\${env:NOT_SET}" }
rejects: { type: file, path: "\${env:NOT_SET_EITHER}" }
`,
  )
  const { code, stdout, stderr } = await workspace.sluice(['preview', 'p'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /"id": 1/)
})

test('preview names the rules that matched nothing after the records, also at a limit', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: absent.ndjson }
transforms:
  - { type: redact, rules: [{ path: ip, action: mask }, { path: initated_by.email, action: mask }] }
sink: { type: stdout }
`,
  )
  await workspace.write('in.ndjson', '{"ip":"10.1.2.3"}\n{"ip":"10.1.2.4"}\n{"n":1}\n')
  await workspace.write('none.ndjson', '')
  const note = /a rule matched nothing in 2 records; is its path misspelt\? redact: rules\[1\] initated_by\.email\n$/
  const { code, stderr } = await workspace.sluice(['preview', 'p', 'in.ndjson', '--limit', '2'])
  assert.equal(code, 0, stderr)
  assert.match(stderr, note)
  assert.ok(!stderr.includes('rules[0]'), stderr)
  const empty = await workspace.sluice(['preview', 'p', 'none.ndjson'])
  assert.equal(empty.code, 0)
  assert.ok(!empty.stderr.includes('matched nothing'), empty.stderr)
})

test('what detectors find is hidden in the preview, in rejects and in the log', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/s.json', '{"type":"object","required":["id"]}')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
transforms:
  - { type: validate, schema: s.json }
  - type: redact
    preset: none
    rules:
      - { detect: [email, ipv4, iban], action: mask }
      - { path: card, action: partial, keepLast: 4 }
sink: { type: file, path: out }
allowRepeats: true
`,
  )
  await workspace.write(
    'in.ndjson',
    '{"id":1,"m":"ann@example.com at 203.0.113.7","card":"4111111111111111"}\n{"m":"bob@example.com","card":"4111111111112222"}\n',
  )
  const preview = await workspace.sluice(['preview', 'p'])
  const run = await workspace.sluice(['run', 'p', '--report', 'report.json'])
  const rejects = await workspace.sluice(['rejects', 'show', 'p'])
  assert.equal(run.code, 0, run.stderr)
  assert.match(preview.stdout, /"\(hidden\)"/)
  assert.match(rejects.stdout, /\{"m":"\[redacted\]","card":"\*\*\*2222"\}/)
  const all = [preview, run, rejects].map(({ stdout, stderr }) => stdout + stderr).join()
  assert.doesNotMatch(all, /example\.com|203\.0\.113|41111111/)
  // A detector that finds nothing is no misspelt path.
  assert.doesNotMatch(all, /misspelt/)
})
