import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import { openCollector } from '../../support/collector.ts'
import { openWorkspace } from '../../support/command.ts'
import { until } from '../../support/until.ts'

const OPTIONS = { auth: 'apiKey: ${file:../key}', transforms: '  - { type: ../transforms/tag.ts }' }

describe('sluice reload', { concurrency: true }, () => {
  test('replaces custom code at a commit: every record is of the old or the new code, and none is lost or twice', async (t) => {
    const { api, workspace, run, ...collector } = await start(t)
    await writeFile(workspace.path('transforms/version.ts'), "export const version: string = 'new'\n")
    const { code, stdout, stderr } = await workspace.sluice(['reload', 'p'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^p: reloaded at epoch \d+\n$/)
    const before = new Set(await collector.ids())
    collector.advance()
    await collector.caughtUp(run)

    run.kill('SIGTERM')
    const ended = await run.ended
    assert.equal(ended.code, 130)
    assert.match(ended.stderr, /the configuration was reloaded epoch=\d+/)
    const records = await collector.records()
    const ids = records.map(({ id }) => String(id))
    assert.deepEqual(ids.toSorted(), [...api.allIds(api.organizations[0].id, api.clock.now())].toSorted())
    for (const { id, version } of records) assert.equal(version, before.has(String(id)) ? 'old' : 'new')
    const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
    assert.equal(report.written, ids.length)
    assert.equal(report.outcome, 'interrupted')
    const verified = await workspace.sluice(['verify', 'p'])
    assert.equal(verified.code, 0, verified.stderr)
  })

  test('shows the mistakes of new files at their places, and the old configuration stays in use', async (t) => {
    const { workspace, run, ...collector } = await start(t)
    await collector.change({ ...OPTIONS, transforms: '  - { type: filtre, keep: [] }' })
    const { code, stderr } = await workspace.sluice(['reload'])
    assert.equal(code, 2)
    assert.match(stderr, /pipelines\/p\.yaml:\d+:\d+ error: .*filtre/)
    assert.match(stderr, /the old configuration stays in use/)
    collector.advance()
    await collector.caughtUp(run)
    run.kill('SIGTERM')
    await run.ended
    assert.ok((await collector.records()).every(({ version }) => version === 'old'))
  })

  test('refuses another dedup key, which the state would refuse, and a configuration that cannot be opened', async (t) => {
    const { workspace, run, ...collector } = await start(t)
    const file = await readFile(workspace.path('pipelines/p.yaml'), 'utf8')
    await workspace.write('pipelines/p.yaml', file.replace('key: [id, timestamp]', 'key: [id, timestamp, service]'))
    const refused = await workspace.sluice(['reload', 'p'])
    assert.equal(refused.code, 6)
    assert.match(refused.stderr, /STATE_MISMATCH: dedup would make its keys in another way/)

    const broken = `import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'x', fields: {}, examples: [], create() { throw new Error('no licence') } })
`
    await workspace.write('pipelines/p.yaml', file.replace('tag.ts', 'broken.ts'))
    await writeFile(workspace.path('transforms/broken.ts'), broken)
    const unopened = await workspace.sluice(['reload', 'p'])
    assert.notEqual(unopened.code, 0)
    assert.match(unopened.stderr, /no licence/)

    collector.advance()
    await collector.caughtUp(run)
    run.kill('SIGTERM')
    await run.ended
    const ids = await collector.ids()
    assert.equal(new Set(ids).size, ids.length)
  })

  test('gives records pseudonyms of a new key, and never while the pipeline file stays as it is', async (t) => {
    const { workspace, ...collector } = await openCollector(t, { ...OPTIONS, transforms: pseudonymsBy('first') })
    await workspace.write('key', collector.api.apiKey)
    await workspace.write('secrets/hmac', 'the first key, of at least 16 bytes')
    const run = collector.follow()
    await collector.caughtUp(run)

    await workspace.write('secrets/hmac', 'the second key, of at least 16 bytes')
    collector.advance()
    await collector.caughtUp(run)
    await collector.change({ ...OPTIONS, transforms: pseudonymsBy('second') })
    const { code, stderr } = await workspace.sluice(['reload', 'p'])
    assert.equal(code, 0, stderr)
    collector.advance()
    await collector.caughtUp(run)
    run.kill('SIGTERM')
    await run.ended

    const records = await collector.records()
    const pseudonymsOf = (name: string) =>
      new Set(records.filter(({ hmacKey }) => hmacKey === name).map((record) => String(record['event_type'])))
    const [first, second] = [pseudonymsOf('first'), pseudonymsOf('second')]
    assert.ok(first.size > 0 && second.size > 0)
    for (const pseudonym of [...first, ...second]) assert.match(pseudonym, /^hmac:[0-9a-f]{32}$/)
    assert.deepEqual(
      [...first].filter((pseudonym) => second.has(pseudonym)),
      [],
    )
  })

  test('is what SIGHUP does in a process without a terminal', async (t) => {
    const { workspace, run, ...collector } = await start(t)
    await writeFile(workspace.path('transforms/version.ts'), 'export const version: string =\n')
    run.kill('SIGHUP')
    await until(() => run.output.stderr.includes('the configuration was not reloaded'), run)
    assert.match(run.output.stderr, /tag\.ts/)

    await writeFile(workspace.path('transforms/version.ts'), "export const version: string = 'new'\n")
    run.kill('SIGHUP')
    await until(() => run.output.stderr.includes('the configuration was reloaded'), run)
    collector.advance()
    await collector.caughtUp(run)
    run.kill('SIGTERM')
    await run.ended
    const versions = new Set((await collector.records()).map(({ version }) => version))
    assert.deepEqual(versions, new Set(['old', 'new']))
  })

  test('says what to do if nothing runs', async (t) => {
    const workspace = await openWorkspace(t)
    const { code, stderr } = await workspace.sluice(['reload'])
    assert.notEqual(code, 0)
    assert.match(stderr, /NOT_RUNNING: no pipeline runs with the states in .*\.sluice/)
  })
})

/** The key is in a file; each record has its name. */
function pseudonymsBy(key: string): string {
  return `  - type: redact
    rules: [{ path: event_type, action: hmac, key: '\${file:../secrets/hmac}' }]
  - { type: set, members: [{ path: hmacKey, value: ${key} }] }`
}

/** A collector that has caught up, with a transform that says which version of it is in use. */
async function start(t: TestContext) {
  const collector = await openCollector(t, OPTIONS)
  const { workspace, api } = collector
  await workspace.write('key', api.apiKey)
  await workspace.write('transforms/version.ts', "export const version: string = 'old'\n")
  await workspace.write(
    'transforms/tag.ts',
    "import { version } from './version.ts'\nexport default (record: any) => record.set('version', version)\n",
  )
  const run = collector.follow(['--report', workspace.path('report.json')])
  await collector.caughtUp(run)
  return { ...collector, run }
}
