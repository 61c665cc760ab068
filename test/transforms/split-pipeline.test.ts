import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'

const BEFORE_DEDUP = `
source: { type: file, path: 'in/*.ndjson' }
transforms:
  - { type: split, path: Records, copy: [account] }
  - { type: validate, schema: ../event.schema.json }
  - { type: dedup, key: eventID }
sink: { type: file, path: out, key: all, compression: none }
`

function schema(type: string): string {
  return JSON.stringify({ properties: { size: { type } } })
}

function records(account: number, ...elements: object[]): string {
  return `${JSON.stringify({ account, Records: elements })}\n`
}

async function openProject(workspace: Workspace, pipeline: string): Promise<() => Promise<string[]>> {
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('event.schema.json', schema('number'))
  const checked = await workspace.sluice(['check', 'p'])
  assert.equal(checked.code, 0, checked.stderr)
  return () => linesBelow(workspace.path('out'))
}

function pick({ read, added, written, duplicate, rejected }: { [name: string]: unknown }) {
  return { read, added, written, duplicate, rejected }
}

test('before dedup, each element has its own key: across records, runs, rejects and replays', async (t) => {
  const workspace = await openWorkspace(t)
  const output = await openProject(workspace, BEFORE_DEDUP)
  const bad = { eventID: 'b', size: 'large' }
  await workspace.write(
    'in/1.ndjson',
    records(1, { eventID: 'a' }, { eventID: 'a' }, bad, { eventID: 'c' }) +
      records(2, { eventID: 'c' }, { eventID: 'd' }),
  )
  const first = await workspace.report(['run', 'p'])
  assert.deepEqual(pick({ ...first }), { read: 2, added: 4, written: 3, duplicate: 2, rejected: 1 })

  await workspace.write('in/2.ndjson', records(1, bad, { eventID: 'a' }, { eventID: 'e' }))
  const second = await workspace.report(['run', 'p'])
  assert.deepEqual(pick({ ...second }), { read: 1, added: 2, written: 1, duplicate: 2, rejected: 0 })

  await workspace.write('event.schema.json', schema('string'))
  const replayed = await workspace.sluice(['rejects', 'replay', 'p'])
  assert.equal(replayed.code, 0, replayed.stderr)
  await workspace.write('in/3.ndjson', records(1, bad))
  const third = await workspace.report(['run', 'p'])
  assert.deepEqual(pick({ ...third }), { read: 1, added: 0, written: 0, duplicate: 1, rejected: 0 })
  assert.deepEqual(await output(), [
    '{"eventID":"a","account":1}',
    '{"eventID":"b","size":"large","account":1}',
    '{"eventID":"c","account":1}',
    '{"eventID":"d","account":2}',
    '{"eventID":"e","account":1}',
  ])

  // What decides the key: not what is copied beside it.
  await workspace.write('pipelines/p.yaml', BEFORE_DEDUP.replace('[account]', '[account, { from: x, to: y }]'))
  await workspace.report(['run', 'p'])
  await workspace.write('pipelines/p.yaml', BEFORE_DEDUP.replace('path: Records', 'path: Other'))
  const refused = await workspace.sluice(['run', 'p'])
  assert.match(refused.stderr, /STATE_MISMATCH: .*split before dedup/)
})

test('before dedup, workers find the same duplicates among elements', async (t) => {
  const workspace = await openWorkspace(t)
  const output = await openProject(workspace, BEFORE_DEDUP)
  for (let file = 0; file < 4; file++) {
    const elements = Array.from({ length: 50 }, (_, n) => ({ eventID: `${file * 25 + n}` }))
    await workspace.write(`in/${file}.ndjson`, records(7, ...elements, { eventID: '0' }))
  }
  const report = await workspace.report(['backfill', 'p', 'in/*.ndjson', '--workers', '2'])
  assert.deepEqual(pick({ ...report }), { read: 4, added: 200, written: 125, duplicate: 79, rejected: 0 })
  assert.equal(new Set(await output()).size, 125)
})

test('after dedup, the elements of a record are written or are duplicates together, also when they are split again', async (t) => {
  const workspace = await openWorkspace(t)
  const output = await openProject(
    workspace,
    `
source: { type: file, path: 'in/*.ndjson' }
transforms:
  - { type: dedup, key: id }
  - { type: split, path: e, as: e, copy: [id] }
  - { type: split, path: e, as: x, copy: [id] }
sink: { type: file, path: out, key: all, compression: none }
`,
  )
  await workspace.write('in/1.ndjson', '{"id":1,"e":[[1,1],[2]]}\n{"id":1,"e":[[3]]}\n')
  const report = await workspace.report(['run', 'p'])
  assert.deepEqual(pick({ ...report }), { read: 2, added: 2, written: 3, duplicate: 1, rejected: 0 })
  assert.deepEqual(await output(), ['{"x":1,"id":1}', '{"x":1,"id":1}', '{"x":2,"id":1}'])
})

test('what custom code makes of one element before dedup counts as one, as for any record', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'transforms/twice.js',
    `export default (record) => [1, 2].map((half) => ({ ...record.value, half }))\n`,
  )
  const output = await openProject(
    workspace,
    `
source: { type: file, path: 'in/*.ndjson' }
transforms:
  - { type: split, path: e }
  - { type: ../transforms/twice.js }
  - { type: dedup, key: id }
sink: { type: file, path: out, key: all, compression: none }
`,
  )
  await workspace.write('in/1.ndjson', '{"e":[{"id":1},{"id":2},{"id":1}]}\n')
  const report = await workspace.report(['run', 'p'])
  assert.deepEqual(pick({ ...report }), { read: 1, added: 5, written: 4, duplicate: 2, rejected: 0 })
  assert.deepEqual(await output(), ['{"id":1,"half":1}', '{"id":1,"half":2}', '{"id":2,"half":1}', '{"id":2,"half":2}'])
})

test('log events become records: redaction sees texts before they are parsed, and members after', async (t) => {
  const workspace = await openWorkspace(t)
  const output = await openProject(
    workspace,
    `
source: { type: file, path: 'in/*.ndjson' }
transforms:
  - { type: redact }
  - { type: split, path: logEvents, copy: [logGroup] }
  - { type: parse, path: message, merge: true }
  - { type: parse, path: query, format: query }
  - { type: redact, preset: none, rules: [{ path: query.token, action: mask, with: hidden }] }
  - { type: filter, drop: { level: debug } }
  - { type: dedup, key: [id, query.page] }
sink: { type: file, path: out, key: '{record.level}', compression: none }
`,
  )
  const message = JSON.stringify({ level: 'info', user: { password: 'secret' }, query: 'page=1&token=t0ken' })
  const messages = [message, '{"level":"debug"}', 'not JSON'].map((text, id) => ({ id, message: text }))
  const events = [messages[0], ...messages]
  await workspace.write('in/1.ndjson', `${JSON.stringify({ logGroup: 'g', logEvents: events })}\n`)
  const report = await workspace.report(['run', 'p'])
  assert.deepEqual(pick({ ...report }), { read: 1, added: 3, written: 1, duplicate: 1, rejected: 1 })
  assert.deepEqual(await output(), [
    '{"id":0,"logGroup":"g","level":"info","user":{"password":"[redacted]"},"query":{"page":"1","token":"hidden"}}',
  ])
  const rejects = await workspace.sluice(['rejects', 'show', 'p', '--json'])
  assert.match(rejects.stdout, /"code":"PARSE_FAILED","stage":"parse","detail":"message: it is not JSON"/)
  const preview = await workspace.sluice(['preview', 'p', '--limit', '1'])
  assert.equal(preview.code, 0, preview.stderr)
  assert.doesNotMatch(preview.stdout, /secret|t0ken/)
})

/** All lines below a folder, sorted. */
async function linesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'utf8')))
  return texts.flatMap((text) => text.split('\n').slice(0, -1)).toSorted()
}
