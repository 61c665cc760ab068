import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { recordsIn } from '../shards/support.ts'

const PIPELINE = `
source: { type: file, path: in.ndjson }
transforms:
  - { type: dedup, key: id }
  - type: lookup
    file: ../tables/accounts.csv
    key: account
    by: id
    set: [{ path: owner, from: name }]
  - type: redact
    preset: none
    rules: [{ path: owner, action: mask, with: hidden, when: { owner: bob } }]
  - type: lookup
    file: ../tables/sites.ndjson
    key: ip
    by: net
    match: cidr
    missing: reject
    set: [{ path: site, from: site }]
sink: { type: file, path: out, key: '{record.site}' }
`

const ACCOUNTS = 'id,name\n1,ann\n2,bob\n'
const SITES = '{"net":"10.0.0.0/8","site":"office"}\n'

function eventsFrom(first: number, count: number): string {
  return Array.from({ length: count }, (_, at) => {
    const id = first + at
    const ip = id % 10 === 9 ? '192.168.0.1' : `10.0.0.${id % 200}`
    return `${JSON.stringify({ id, account: id % 3, ip: id % 20 === 18 ? 'host' : ip })}\n`
  }).join('')
}

async function openProject(t: TestContext, pipeline = PIPELINE): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('tables/accounts.csv', ACCOUNTS)
  await workspace.write('tables/sites.ndjson', SITES)
  await workspace.write('in.ndjson', eventsFrom(0, 60))
  return workspace
}

const COUNTS = [
  { stage: 'lookup', counts: { found: 40, 'not found': 20, 'not an address': 0, 'without a key': 0 } },
  { stage: 'lookup-2', counts: { found: 51, 'not found': 6, 'not an address': 3, 'without a key': 0 } },
]

test('a run counts what was found, and writes it; redaction sees it; rejects can be replayed', async (t) => {
  const workspace = await openProject(t)
  const report = await workspace.report(['run', 'p'])
  assert.deepEqual(report.counts, COUNTS)
  assert.deepEqual([report.written, report.rejects], [51, { LOOKUP_MISS: 9 }])
  const lines = await recordsIn(workspace.path('out'))
  assert.ok(lines.includes('{"id":1,"account":1,"ip":"10.0.0.1","owner":"ann","site":"office"}'))
  assert.ok(lines.includes('{"id":2,"account":2,"ip":"10.0.0.2","owner":"hidden","site":"office"}'))
  assert.ok(lines.includes('{"id":3,"account":0,"ip":"10.0.0.3","site":"office"}'))

  await workspace.write('tables/sites.ndjson', `${SITES}{"net":"192.168.0.0/16","site":"home"}\n`)
  const replayed = await workspace.sluice(['rejects', 'replay', 'p'])
  assert.match(replayed.stderr, /lookup-2 +found 6, not an address 3\n/)
  const home = (await recordsIn(workspace.path('out'))).filter((line) => line.includes('"site":"home"'))
  assert.equal(home.length, 6)
})

test('check, preview and test use the table; a rule that finds nothing is named', async (t) => {
  const tests = `
tests:
  - name: joins
    input: [{ id: 1, account: 1, ip: 10.1.1.1 }, { id: 2, ip: 1.1.1.1 }]
    expect:
      output: [{ id: 1, account: 1, ip: 10.1.1.1, owner: ann, site: office }]
      rejects: [{ code: LOOKUP_MISS, stage: lookup-2 }]
`
  const workspace = await openProject(t, PIPELINE.replace('by: id', 'by: name').replace('from: name', 'from: id'))
  const none = await workspace.sluice(['run', 'p'])
  assert.match(none.stderr, /a rule matched nothing in this run; is its path misspelt\?.*by name/)
  await workspace.write('pipelines/p.yaml', PIPELINE + tests)
  const checked = await workspace.sluice(['check', 'p'])
  assert.equal(checked.code, 0, checked.stdout)
  assert.match(checked.stdout, /the table has 2 rows/)
  const tested = await workspace.sluice(['test', 'p'])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  const previewed = await workspace.sluice(['preview', 'p', '--limit', '2'])
  assert.match(previewed.stdout, /office/)
  const guaranteed = await workspace.sluice(['check', 'p', '--guarantees'])
  assert.equal(guaranteed.code, 0, guaranteed.stderr)
})

test('a lookup finds what an earlier one has set', async (t) => {
  const workspace = await openProject(
    t,
    `
source: { type: file, path: in.ndjson }
transforms:
  - { type: lookup, file: ../tables/sites.ndjson, key: ip, by: net, match: cidr, set: [{ path: site.id, from: site }] }
  - { type: lookup, file: ../tables/names.csv, key: site.id, by: id, set: [{ path: site.name, from: name }] }
sink: { type: file, path: out, key: all }
`,
  )
  await workspace.write('tables/names.csv', 'id,name\noffice,Main office\n')
  const { counts } = await workspace.report(['run', 'p'])
  assert.deepEqual([counts[1]?.counts['found'], counts[1]?.counts['without a key']], [51, 9])
  const [line] = await recordsIn(workspace.path('out'))
  assert.equal(line, '{"id":0,"account":0,"ip":"10.0.0.0","site":{"id":"office","name":"Main office"}}')
})

test('a table that cannot be used ends the run at its start, and nothing is written', async (t) => {
  const workspace = await openProject(t)
  await workspace.write('tables/accounts.csv', `${ACCOUNTS}1,cid\n`)
  const { code, stderr } = await workspace.sluice(['run', 'p'])
  assert.equal(code, 2)
  assert.match(
    stderr,
    /p\.yaml:\d+:\d+ error: transform lookup: the table accounts\.csv has the same key in line 2 and in line 4/,
  )
})

test('workers of a backfill write what one process writes, with the same counts', async (t) => {
  const workspace = await openProject(t)
  for (let file = 0; file < 3; file++) await workspace.write(`in/${file}.ndjson`, eventsFrom(20 * file, 20))
  const backfill = ['backfill', 'p', 'in', '--shard-size', '1B', '--final']
  const one = await workspace.report([...backfill, '--workers', '1', '--state', 's1', '--set', 'sink.path=out-1'])
  const two = await workspace.report([...backfill, '--workers', '2', '--state', 's2', '--set', 'sink.path=out-2'])
  assert.ok((two.shards?.planned ?? 0) >= 3)
  assert.deepEqual([one.counts, two.counts], [COUNTS, COUNTS])
  assert.deepEqual(await recordsIn(workspace.path('out-2')), await recordsIn(workspace.path('out-1')))
})

test('a backfill that is continued with another table says so', async (t) => {
  const failing = '  - { type: ../failing.js }\n'
  const workspace = await openProject(t, PIPELINE.replace('transforms:\n', `transforms:\n${failing}`))
  await workspace.write(
    'failing.js',
    `import { defineTransform } from 'sluice'
export default defineTransform({
  summary: 'Fails.', parallel: true, fields: {},
  create() {
    if (process.env.FAIL !== undefined) throw new Error('FAIL is set')
    return (record) => record
  },
})
`,
  )
  for (let file = 0; file < 2; file++) await workspace.write(`in/${file}.ndjson`, eventsFrom(30 * file, 30))
  const backfill = ['backfill', 'p', 'in', '--workers', '2', '--shard-size', '1B', '--final']
  await workspace.report(backfill, { env: { FAIL: '1' }, code: 2 })
  await workspace.write('tables/accounts.csv', 'id,name\n1,eve\n')
  const { code, stderr } = await workspace.sluice(backfill)
  assert.equal(code, 0, stderr)
  assert.match(stderr, /the configuration has changed since the backfill began.*changed=lookup\b/)
  assert.ok((await recordsIn(workspace.path('out'))).some((line) => line.includes('"owner":"eve"')))
})
