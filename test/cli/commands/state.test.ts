import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import { openWorkspace, type RunningCommand, type Workspace } from '../../support/command.ts'
import { DAY, HOUR } from '../../../src/time.ts'

const DEDUP = 'transforms: [{ type: dedup, key: [id, time], time: time }]\n'

/** A transform that leaves a file when it has seen a record. */
const SEEN = `import { writeFileSync } from 'node:fs'
export default (record: unknown) => {
  writeFileSync('seen', '')
  return record
}
`

async function openEvents(t: TestContext, transforms = DEDUP): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  const pipeline = `source: { type: file, path: in.ndjson }
${transforms}sink: { type: file, path: out, key: all, compression: none }
`
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('in.ndjson', lines(0, 3))
  return workspace
}

function lines(from: number, to: number): string {
  const records = Array.from({ length: to - from }, (_, at) => ({ id: from + at, time: '2024-03-04T18:01:26Z' }))
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}

/** Starts a run with --follow and waits until it owns the state. */
async function follow(workspace: Workspace): Promise<RunningCommand> {
  const running = workspace.start(['run', 'p', '--follow'])
  const ended = running.ended.then(({ stderr }) => assert.fail(stderr))
  while (!(await Promise.race([ended, isOwner(workspace, running.pid)]))) await sleep(10)
  return running
}

async function isOwner(workspace: Workspace, pid: number): Promise<boolean> {
  const { stdout } = await workspace.sluice(['state', 'show', 'p'])
  return stdout.includes(`owner       process ${pid}\n`)
}

interface Shown {
  running?: number
  generation: string
  epochs: number
  totals: { read: number; written: number }
  published: number
  unpublished: { key: string; records: number }[]
  partitions: { partition: string; position: { offset?: number; highWatermark?: string; open?: object[] } }[]
  dedup: { bucket: string; keys: number; bytes: number }[]
}

async function show(workspace: Workspace, name = 'p'): Promise<Shown> {
  const { code, stdout, stderr } = await workspace.sluice(['state', 'show', name, '--json'])
  assert.equal(code, 0, stderr)
  const shown: Shown = JSON.parse(stdout)
  return shown
}

describe('sluice state show', () => {
  test('shows positions, totals and dedup keys, as text and as JSON', async (t) => {
    const workspace = await openEvents(t)
    await workspace.report(['run', 'p'])
    const { partitions, dedup, ...shown } = await show(workspace)
    assert.deepEqual([shown.epochs, shown.published, shown.unpublished, shown.running], [1, 1, [], undefined])
    assert.deepEqual([shown.totals.read, shown.totals.written], [3, 3])
    assert.equal(partitions.length, 1)
    assert.match(partitions[0].partition, /^file:.+$/)
    assert.equal(partitions[0].position.offset, lines(0, 3).length)
    assert.deepEqual(dedup, [{ bucket: '2024-03-04', keys: 3, bytes: 48, permanent: true }])

    const { code, stdout } = await workspace.sluice(['state', 'show', 'pipelines/p.yaml'])
    assert.equal(code, 0)
    assert.ok(stdout.includes(`generation  ${shown.generation}\n`))
    assert.match(stdout, /owner +none/)
    assert.match(stdout, /read 3, added 0, written 3, duplicate 0, dropped 0, rejected 0/)
    assert.match(stdout, /file:.+ complete, 117 B\n/)
    assert.match(stdout, /last commit \d{4}-.+Z, \d+ s ago\n/)
    assert.match(stdout, /2024-03-04: 3 keys, 48 B/)
  })

  test('shows a state that is in use, while other commands are refused', async (t) => {
    const workspace = await openEvents(t, DEDUP.replace('[{', '[{ type: ../seen.ts }, {'))
    await workspace.write('seen.ts', SEEN)
    const running = await follow(workspace)
    while (!existsSync(workspace.path('seen'))) await sleep(10)
    for (const args of [
      ['rewind', 'p'],
      ['reset', 'p', '--yes', '--force'],
    ]) {
      const { code, stderr } = await workspace.sluice(['state', ...args])
      assert.equal(code, 6, stderr)
      assert.match(stderr, new RegExp(`STATE_IN_USE.*${running.pid}`))
    }
    running.kill('SIGTERM')
    assert.equal((await running.ended).code, 130)
    assert.equal((await workspace.report(['run', 'p'])).read, 0)
    assert.equal((await show(workspace)).totals.written, 3)
  })

  test('reports a missing state', async (t) => {
    const workspace = await openEvents(t)
    for (const args of [['show'], ['rewind'], ['reset', '--yes']]) {
      const [action, ...more] = args
      const { code, stderr } = await workspace.sluice(['state', action, 'p', ...more])
      assert.equal(code, 6)
      assert.match(stderr, /STATE_NOT_FOUND: .*\.sluice\/p has no state/)
    }
    assert.equal((await workspace.sluice(['state'])).code, 2)
  })
})

describe('sluice state rewind', () => {
  test('makes the source read again, and dedup drops written records', async (t) => {
    const workspace = await openEvents(t)
    await workspace.report(['run', 'p'])
    const { code, stdout, stderr } = await workspace.sluice(['state', 'rewind', 'p'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^file:.+ will be read from the beginning\n$/)
    await workspace.write('in.ndjson', lines(0, 5))
    const report = await workspace.report(['run', 'p'])
    assert.deepEqual([report.read, report.duplicate, report.written], [5, 3, 2])
  })

  test('rewinds one source partition, and lists the known ones if it is unknown', async (t) => {
    const workspace = await openEvents(t)
    await workspace.report(['run', 'p'])
    const [{ partition }] = (await show(workspace)).partitions
    const wrong = await workspace.sluice(['state', 'rewind', 'p', '--partition', 'file:other'])
    assert.equal(wrong.code, 2)
    assert.ok(wrong.stderr.includes(partition))
    assert.equal((await workspace.sluice(['state', 'rewind', 'p', '--partition', partition])).code, 0)
    assert.deepEqual((await show(workspace)).partitions, [])
    await workspace.report(['run', 'p'])
    const time = await workspace.sluice(['state', 'rewind', 'p', '--to', '2024-03-04'])
    assert.equal(time.code, 2)
    assert.match(time.stderr, /the position of file:.* cannot be rewound to a time\n.*--to all/)
  })

  test('without dedup keys needs --yes', async (t) => {
    const workspace = await openEvents(t, '')
    await workspace.report(['run', 'p'])
    const { code, stderr } = await workspace.sluice(['state', 'rewind', 'p'])
    assert.equal(code, 2)
    assert.match(stderr, /records that are read again are written again\n.*--yes/)
    assert.equal((await workspace.sluice(['state', 'rewind', 'p', '--yes'])).code, 0)
    assert.equal((await workspace.report(['run', 'p'])).written, 3)
  })

  test('to a time uses the rewind function of a custom source', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write(
      'sources/days.js',
      `import { defineSource } from 'sluice'
export default defineSource({
  summary: 'A record per day of March 2024.',
  repeats: true,
  fields: {},
  rewind: (position, to) => ({ position: Math.max(0, Math.floor((to - Date.UTC(2024, 2, 1)) / 86400000)), by: 1 }),
  create: () => ({
    async *read({ position }) {
      for (let day = position() ?? 0; day < 5; day++) {
        const time = new Date(Date.UTC(2024, 2, 1 + day)).toISOString()
        yield { records: [{ id: day, time }], position: day + 1 }
      }
    },
  }),
})
`,
    )
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: ../sources/days.js }\n${DEDUP}sink: { type: file, path: out, key: all, compression: none }\n`,
    )
    assert.equal((await workspace.report(['run', 'p'])).written, 5)
    const { code, stdout, stderr } = await workspace.sluice(['state', 'rewind', 'p', '--to', '2024-03-04'])
    assert.deepEqual([code, stdout], [0, '../sources/days.js: 3\n'], stderr)
    const report = await workspace.report(['run', 'p'])
    assert.deepEqual([report.read, report.duplicate, report.written], [2, 2, 0])
  })

  test('to a time reads an API from that time on', async (t) => {
    const workspace = await openWorkspace(t)
    const end = Date.now() - HOUR
    const start = end - DAY
    const jumpcloud = await startJumpCloudServer({ start, end, events: 1000 })
    t.after(() => jumpcloud.close())
    const pipeline = `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${jumpcloud.url}
  window: { since: 2d, overlap: 0s }
  rate: { perSecond: 1000 }
transforms: [{ type: dedup, key: [id, timestamp], time: timestamp, within: 1d }]
sink: { type: file, path: out }
`
    await workspace.write('pipelines/p.yaml', pipeline)
    const env = { KEY: jumpcloud.apiKey }
    assert.equal((await workspace.report(['run', 'p'], { env })).written, 1000)

    const shown = await workspace.sluice(['state', 'show', 'p'])
    const positions = shown.stdout.slice(shown.stdout.indexOf('positions'), shown.stdout.indexOf('dedup'))
    assert.match(positions, /jumpcloud: read up to \d{4}-\d\d-\d\dT[\d:.]+Z, behind by \d+ (s|min)\n/)
    assert.ok(!positions.includes('counts'), 'hourly counts are for --json')

    const to = new Date((start + end) / 2).toISOString()
    const { code, stdout, stderr } = await workspace.sluice(['state', 'rewind', 'p', '--to', to])
    assert.equal(code, 0, stderr)
    assert.deepEqual(JSON.parse(stdout.slice(stdout.indexOf('{'))), { highWatermark: to, open: [] })
    assert.match(stderr, /dedup keys exist for events since \d{4}-\d\d-\d\d/)

    const { read, written, duplicate } = await workspace.report(['run', 'p'], { env })
    assert.ok(read > 100 && read < 900, `${read} were read again`)
    assert.deepEqual([written, duplicate], [0, read])
    const later = await workspace.sluice(['state', 'rewind', 'p', '--to', '2100-01-01'])
    assert.deepEqual([later.code, later.stdout], [0, 'nothing to rewind\n'])
  })
})

describe('sluice state reset', () => {
  test('warns, and deletes nothing without --yes', async (t) => {
    const workspace = await openEvents(t)
    await workspace.report(['run', 'p'])
    const { generation } = await show(workspace)
    const warned = await workspace.sluice(['state', 'reset', 'p'])
    assert.equal(warned.code, 2)
    assert.match(warned.stderr, /keys of 3 written records[^]*writes all records again[^]*nothing was deleted\n.*--yes/)
    assert.equal((await workspace.report(['run', 'p'])).read, 0)

    assert.equal((await workspace.sluice(['state', 'reset', 'p', '--yes'])).code, 0)
    assert.deepEqual(await readdir(workspace.path('.sluice/p')), [])
    assert.equal((await workspace.report(['run', 'p'])).written, 3)
    assert.notEqual((await show(workspace)).generation, generation)
  })

  test('does not discard committed objects without --force', async (t) => {
    const workspace = await openEvents(t)
    // Once a folder has worked, a run commits before it notices that the folder refuses.
    await workspace.report(['run', 'p'])
    await rm(workspace.path('out'), { recursive: true })
    await writeFile(workspace.path('out'), 'a file where the folder should be')
    await writeFile(workspace.path('in.ndjson'), lines(0, 6))
    assert.equal((await workspace.sluice(['run', 'p'])).code, 4)
    const { unpublished } = await show(workspace)
    assert.deepEqual(
      unpublished.map(({ records }) => records),
      [3],
    )
    const refused = await workspace.sluice(['state', 'reset', 'p', '--yes'])
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /unpublished objects would be lost: 1 object with 3 records/)
    await rm(workspace.path('out'))
    assert.equal((await workspace.report(['run', 'p'])).read, 0)

    await writeFile(workspace.path('in.ndjson'), lines(0, 7))
    await rm(workspace.path('out'), { recursive: true })
    await writeFile(workspace.path('out'), '')
    assert.equal((await workspace.sluice(['run', 'p'])).code, 4)
    assert.equal((await workspace.sluice(['state', 'reset', 'p', '--yes', '--force'])).code, 0)
    assert.deepEqual(await readdir(workspace.path('.sluice/p')), [])
  })
})
