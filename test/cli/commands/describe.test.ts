import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldRows } from '../../../src/config/field-rows.ts'
import { loadComponents } from '../../../src/registry.ts'
import { parts } from '../../support/config-project.ts'
import { openProject } from '../../support/cli-project.ts'

const components = await loadComponents()

test('describe shows every field and every example of a component', async (t) => {
  const work = await openProject(t, {})
  const dedup = components.find(({ type }) => type === 'dedup')
  assert.ok(dedup)
  const { code, stdout } = await work.sluice(['describe', 'dedup'])
  assert.equal(code, 0)
  assert.ok(stdout.startsWith('dedup (transform)\n'))
  for (const { name } of fieldRows(dedup.fields)) assert.match(stdout, new RegExp(`^  ${name}: `, 'm'))
  for (const { title } of dedup.examples) assert.ok(stdout.includes(`example: ${title}\n`), title)
  assert.ok(stdout.split('\n').every((line) => line.length <= 110))
})

test('describe shows required fields, defaults and nested fields', async (t) => {
  const { stdout } = await (await openProject(t, parts)).sluice(['describe', './parts/store.ts'])
  assert.equal(
    stdout,
    `./parts/store.ts (sink)
  A sink.

fields
  bucket: string, required
      Name of the bucket.
  key: key template, default audit
      The key.
  region: string
      The region.
  roll: map
      When to roll.
  roll.maxBytes: size, default 128MiB
      How large.
`,
  )
  const feed = await (await openProject(t, parts)).sluice(['describe', './parts/feed.ts'])
  assert.match(feed.stdout, /^ {2}apiKey: string \(secret\)$/m)
  assert.match(feed.stdout, /^ {2}path: string or list of string, required$/m)
  assert.match(feed.stdout, /^ {2}page\.type: cursor or offset, required$/m)
  assert.match(feed.stdout, /^ {2}headers: map of string$/m)
})

test('describe --json prints the fields', async (t) => {
  const { stdout } = await (await openProject(t, {})).sluice(['describe', 'dedup', '--json'])
  const [described]: { kind: string; fields: { name: string; required: boolean }[] }[] = JSON.parse(stdout)
  assert.equal(described?.kind, 'transform')
  assert.deepEqual(described.fields.find(({ name }) => name === 'key')?.required, true)
})

test('describe suggests the closest name for an unknown component', async (t) => {
  const work = await openProject(t, {})
  const unknown = await work.sluice(['describe', 'dedupe'])
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /there is no component "dedupe"[^]*did you mean "dedup"\?/)
  const missing = await work.sluice(['describe', './none.ts'])
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /COMPONENT_LOAD_FAILED/)
})

test('describe says which reader takes which paths of records', async (t) => {
  const work = await openProject(t, {})
  const { stdout } = await work.sluice(['describe', 'file'])
  assert.match(stdout, /^How records are found in documents$/m)
  assert.match(stdout, /- split as bytes: One array at fixed keys/)
  assert.match(stdout, /- parsed by stream-json: All other paths: `pages\[\*\]\.items`/)
})
