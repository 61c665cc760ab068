import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { openWorkspace, type Workspace } from '../../support/command.ts'

const SINKS = `sinks:
  siem: { type: file, path: out/siem }
  fraud: { type: file, path: out/fraud, key: 'user={record.user}', compression: none }
  archive: { type: file, path: out/archive }
`

/** A workspace with a pipeline `p` that reads `in.ndjson`. */
async function openPipeline(t: TestContext, records: readonly object[], rest: string): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', linesOf(records))
  await writePipeline(workspace, rest)
  return workspace
}

async function writePipeline(workspace: Workspace, rest: string): Promise<void> {
  await workspace.write('pipelines/p.yaml', `source: { type: file, path: in.ndjson }\n${rest}`)
}

function linesOf(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}

/** The ids of the records in the objects of each sink, in the order of the objects' names. */
async function idsIn(workspace: Workspace, ...sinks: readonly string[]): Promise<number[][]> {
  return Promise.all(sinks.map(async (sink) => (await recordsIn(workspace.path('out', sink))).map(({ id }) => id)))
}

async function recordsIn(folder: string): Promise<{ id: number }[]> {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => [])
  const texts = await Promise.all(
    names
      .filter((name) => name.includes('.ndjson'))
      .toSorted()
      .map(async (name) => {
        const bytes = await readFile(join(folder, name))
        return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
      }),
  )
  const lines = texts.join('').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line))
}

async function verified(workspace: Workspace): Promise<string> {
  const { code, stdout } = await workspace.sluice(['verify', 'p'])
  assert.equal(code, 0, stdout)
  return stdout
}

const to = (sink: string): string =>
  `transforms: [{ type: dedup, key: id }]\n${SINKS}routes: [{ when: { id: { exists: true } }, to: ${sink} }]\n`

const byExpression = (more: string): string => `routes:
  - { where: record.severity >= 7, when: { kind: alert }, to: [siem, archive]${more} }
default: archive
`

describe('routes', () => {
  test('send a record to the sinks of the first one that takes it, and the rest to the default', async (t) => {
    const records = [
      { id: 0, kind: 'login', ok: false, user: 'ann' },
      { id: 1, kind: 'login', ok: true, user: 'bob' },
      { id: 2, kind: 'payment', user: 'ann' },
      { id: 3, kind: 'noise', user: 'eve' },
      { id: 4, kind: 'payment', ok: false, user: 'bob' },
    ]
    const routes = `routes:
  - { when: { ok: false }, to: [siem, archive] }
  - { when: [{ kind: payment }, { kind: refund }], to: fraud }
  - { when: { kind: login, user: /^b/ }, to: [archive, fraud] }
default: archive
`
    const workspace = await openPipeline(t, records, SINKS + routes)
    const report = await workspace.report(['run', 'p'])
    assert.deepEqual(await idsIn(workspace, 'siem', 'fraud', 'archive'), [
      [0, 4],
      [2, 1],
      [0, 1, 3, 4],
    ])
    assert.deepEqual([report.read, report.written, report.rejected], [5, 5, 0])
    assert.deepEqual(
      Object.entries(report.sinks).map(([name, { records: count, objects }]) => [name, count, objects]),
      [
        ['siem', 2, 1],
        ['fraud', 2, 2],
        ['archive', 4, 1],
      ],
    )
    assert.deepEqual(report.objects.map(({ sink }) => sink).toSorted(), ['archive', 'fraud', 'fraud', 'siem'])
    assert.match(await verified(workspace), /to siem {5}1 object: 2 records/)
    const { stdout } = await workspace.sluice(['state', 'show', 'p'])
    assert.match(stdout, /sink {8}archive: 4 records, 1 objects? published, 0 waiting/)
    const summary = await workspace.sluice(['run', 'p'])
    assert.match(summary.stderr, /to archive +0 {2}records in 0 objects/)
  })

  test('are not needed: every sink then gets every record', async (t) => {
    const workspace = await openPipeline(t, [{ id: 0, user: 'ann' }, { id: 1 }], SINKS)
    const { written, sinks } = await workspace.report(['run', 'p'])
    assert.equal(written, 2)
    assert.deepEqual(await idsIn(workspace, 'siem', 'fraud', 'archive'), [
      [0, 1],
      [0, 1],
      [0, 1],
    ])
    assert.equal(sinks['fraud']?.records, 2)
    await verified(workspace)
  })

  test('reject what none of them takes; a replay takes the routes of now', async (t) => {
    const routes = 'routes: [{ when: { kind: login }, to: [siem, fraud, archive] }]\n'
    const records = [{ id: 0, kind: 'login' }, { id: 1, kind: 'logout' }, { id: 2 }]
    const workspace = await openPipeline(t, records, `transforms: [{ type: dedup, key: id }]\n${SINKS}${routes}`)
    const { written, rejects, rejected } = await workspace.report(['run', 'p'])
    assert.deepEqual([written, rejected, { ...rejects }], [1, 2, { UNROUTED: 2 }])
    const shown = await workspace.sluice(['rejects', 'show', 'p'])
    assert.match(shown.stdout, /UNROUTED/)

    const later = 'routes: [{ when: { kind: { exists: true } }, to: siem }]\ndefault: archive\n'
    await writePipeline(workspace, `transforms: [{ type: dedup, key: id }]\n${SINKS}${later}`)
    const replayed = await workspace.sluice(['rejects', 'replay', 'p'])
    assert.equal(replayed.code, 0, replayed.stderr)
    assert.deepEqual(await idsIn(workspace, 'siem', 'fraud', 'archive'), [[0, 1], [0], [0, 2]])
    await verified(workspace)
  })

  test('drop what none of them takes, if configured, and such a record adds no dedup key', async (t) => {
    const routes = 'routes: [{ when: { kind: login }, to: [siem, fraud, archive] }]\nunrouted: drop\n'
    const records = [
      { id: 1, kind: 'other' },
      { id: 1, kind: 'login' },
      { id: 1, kind: 'login' },
      { id: 1, kind: 'other' },
    ]
    const workspace = await openPipeline(t, records, `transforms: [{ type: dedup, key: id }]\n${SINKS}${routes}`)
    const { written, duplicate, dropped, sinks } = await workspace.report(['run', 'p'])
    assert.deepEqual([written, duplicate, { ...dropped }], [1, 1, { routes: 2 }])
    assert.deepEqual(
      Object.values(sinks).map((sink) => sink.records),
      [1, 1, 1],
    )
    await verified(workspace)
  })

  test('that are changed affect new records only', async (t) => {
    const workspace = await openPipeline(t, [{ id: 0 }], to('siem'))
    await workspace.report(['run', 'p'])
    await writePipeline(workspace, to('archive'))
    await workspace.write('in.ndjson', linesOf([{ id: 0 }, { id: 1 }]))
    await workspace.report(['run', 'p'])
    await workspace.sluice(['state', 'rewind', 'p', '--yes'])
    await workspace.report(['run', 'p'])
    assert.deepEqual(await idsIn(workspace, 'siem', 'fraud', 'archive'), [[0], [], [1]])
    await verified(workspace)
  })

  test('read what the transforms have made, at any path', async (t) => {
    const transforms = `transforms:
  - { type: rename, members: [{ from: actor.name, to: user }] }
`
    const routes = `routes:
  - { when: { user: ann }, to: siem }
  - { when: { 'groups[*]': admin }, to: fraud }
default: archive
`
    const records = [
      { id: 0, actor: { name: 'ann' } },
      { id: 1, groups: ['staff', 'admin'] },
      { id: 2, groups: [] },
    ]
    const workspace = await openPipeline(t, records, transforms + SINKS + routes)
    await workspace.report(['run', 'p'])
    assert.deepEqual(await idsIn(workspace, 'siem', 'fraud', 'archive'), [[0], [1], [2]])
  })

  test('choose by expressions; without a result, a record is rejected or the next route is tried', async (t) => {
    const records = [
      { id: 0, kind: 'alert', severity: 9 },
      { id: 1, kind: 'alert', severity: 3 },
      { id: 2, kind: 'alert' },
      { id: 3, kind: 'other', severity: 9 },
    ]
    const workspace = await openPipeline(t, records, SINKS + byExpression(''))
    const { rejects } = await workspace.report(['run', 'p'])
    assert.deepEqual({ ...rejects }, { EXPRESSION_FAILED: 1 })
    assert.deepEqual(await idsIn(workspace, 'siem', 'archive'), [[0], [0, 1, 3]])
    const shown = await workspace.sluice(['rejects', 'show', 'p'])
    assert.match(shown.stdout, /routes\[0\]\.where: /)
    await writePipeline(workspace, SINKS + byExpression(', onError: skip'))
    assert.equal((await workspace.sluice(['rejects', 'replay', 'p'])).code, 0)
    assert.deepEqual(await idsIn(workspace, 'siem', 'archive'), [[0], [0, 1, 3, 2]])
    await verified(workspace)
  })

  test('hold in a backfill with several workers', async (t) => {
    const workspace = await openPipeline(
      t,
      [],
      `transforms: [{ type: dedup, key: id }]
${SINKS}routes:
  - { when: { third: 0 }, to: [siem, archive] }
  - { when: { third: 1 }, to: fraud }
`,
    )
    for (const file of ['a', 'b', 'c']) {
      const records = Array.from({ length: 300 }, (_, id) => ({
        id: id + (file === 'a' ? 0 : 200),
        third: id % 3,
        user: file,
      }))
      await workspace.write(`archive/${file}.ndjson`, linesOf(records))
    }
    const report = await workspace.report(['backfill', 'p', '--workers', '2', 'archive/'])
    assert.equal(report.read, 900)
    assert.equal(report.read, report.written + report.duplicate + report.rejected)
    const [siem, fraud, archive] = await idsIn(workspace, 'siem', 'fraud', 'archive')
    assert.deepEqual(new Set(siem), new Set(archive))
    assert.equal(siem?.length, archive?.length)
    assert.equal((siem?.length ?? 0) + (fraud?.length ?? 0), report.written)
    assert.equal(report.sinks['siem']?.records, siem?.length)
    assert.equal(new Set([...(siem ?? []), ...(fraud ?? [])]).size, report.written)
    await verified(workspace)
  })

  test('show in a preview where a record goes', async (t) => {
    const routes = 'routes: [{ when: { kind: login }, to: [siem, archive] }]\nunrouted: drop\n'
    const workspace = await openPipeline(
      t,
      [{ id: 0, kind: 'login' }, { id: 1 }],
      SINKS.replace('out/siem', '"${env:SIEM}"') + routes,
    )
    const { code, stdout, stderr } = await workspace.sluice(['preview', 'p'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /in\.ndjson:1\n {2}to siem, archive\n/)
    assert.match(stdout, /in\.ndjson:2 {2}dropped: routes\n/)
  })
})
