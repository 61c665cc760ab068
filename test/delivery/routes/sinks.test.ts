import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { startS3Server, type S3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment, type Workspace } from '../../support/command.ts'

const BUCKETS = ['siem', 'archive', 'cold']

interface Job {
  readonly server: S3Server
  readonly workspace: Workspace
  readonly env: { readonly [name: string]: string }
  readonly write: (sinks: readonly string[], more?: string) => Promise<void>
}

/** 30 events: `siem` gets every third one, the other sinks get all. */
async function openJob(t: TestContext, sinks: readonly string[]): Promise<Job> {
  const server = await startS3Server({ buckets: BUCKETS })
  t.after(() => server.close())
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', Array.from({ length: 30 }, (_, id) => `{"id":${id},"third":${id % 3}}\n`).join(''))
  const write = async (names: readonly string[], more = ''): Promise<void> => {
    const sections = names.map(
      (name) => `  ${name}: { type: s3, bucket: ${bucketOf(name)}, forcePathStyle: true, key: '${name}/e' }\n`,
    )
    const others = names.filter((name) => name !== 'siem')
    const routes = names.includes('siem')
      ? `routes: [{ when: { third: 0 }, to: [${names.join(', ')}] }]\ndefault: [${others.join(', ')}]\n`
      : ''
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: in.ndjson }\ntransforms: [{ type: dedup, key: id }]\nsinks:\n${sections.join('')}${routes}${more}`,
    )
  }
  await write(sinks)
  return { server, workspace, env: s3Environment(server), write }
}

function bucketOf(sink: string): string {
  return BUCKETS.includes(sink) ? sink : 'archive'
}

function idsIn(server: S3Server, bucket: string): number[] {
  const texts = [...server.objects(bucket).values()].map(({ body }) => gunzipSync(body).toString())
  const lines = texts.join('').split('\n').slice(0, -1)
  return lines.map((line): number => JSON.parse(line).id).toSorted((a, b) => a - b)
}

const ALL = Array.from({ length: 30 }, (_, id) => id)
const THIRDS = ALL.filter((id) => id % 3 === 0)

/** A job whose objects for `siem` wait: the store has refused them for good. */
async function openWaiting(t: TestContext): Promise<Job> {
  const job = await openJob(t, ['siem', 'archive'])
  const { server, workspace, env } = job
  const refusal = server.faults.add({
    kind: 'error',
    code: 'AccessDenied',
    operation: 'PutObject',
    key: /^siem\/e/,
    times: 1000,
  })
  const report = await workspace.report(['run', 'p'], { env, code: 4 })
  assert.match(report.error?.message ?? '', /1 committed object with 10 records waits in the outbox/)
  refusal.remove()
  return job
}

describe('several sinks', () => {
  test('one that refuses ends the run, and what is committed for the others is published', async (t) => {
    const { server, workspace, env } = await openWaiting(t)
    assert.deepEqual([idsIn(server, 'siem'), idsIn(server, 'archive')], [[], ALL])
    const shown = await workspace.sluice(['state', 'show', 'p'])
    assert.match(shown.stdout, /sink {8}siem: 10 records, 0 objects published, 1 waiting/)
    assert.match(shown.stdout, /\(10 records, .*, for siem\)/)
    const waiting = await workspace.sluice(['verify', 'p'], { env })
    assert.match(waiting.stdout, /unpublished.*10 records committed, not published/)

    await workspace.report(['run', 'p'], { env })
    assert.deepEqual([idsIn(server, 'siem'), idsIn(server, 'archive')], [THIRDS, ALL])
    const { code, stdout } = await workspace.sluice(['verify', 'p'], { env })
    assert.equal(code, 0, stdout)
  })

  test('one that is removed while objects wait for it is put back, or its objects go to another', async (t) => {
    const { server, workspace, env, write } = await openWaiting(t)
    await write(['archive', 'cold'])
    const removed = await workspace.sluice(['run', 'p'], { env })
    assert.equal(removed.code, 6, removed.stderr)
    assert.match(removed.stderr, /STATE_MISMATCH: siem\/e\S+ is committed for the sink siem and not published/)
    assert.match(removed.stderr, /put `siem` back .* `sluice state redirect p --to archive`/)

    const unsaid = await workspace.sluice(['state', 'redirect', 'p', '--yes'], { env })
    assert.match(unsaid.stderr, /waits for the sink `siem`.*\n.*--to: one of archive, cold/)
    const misspelt = await workspace.sluice(['state', 'redirect', 'p', '--to', 'clod', '--yes'], { env })
    assert.match(misspelt.stderr, /no sink "clod"[^]*did you mean "cold"/)
    const redirected = await workspace.sluice(['state', 'redirect', 'p', '--to', 'cold', '--yes'], { env })
    assert.equal(redirected.code, 0, redirected.stderr)
    await workspace.report(['run', 'p'], { env })
    assert.deepEqual([idsIn(server, 'siem'), idsIn(server, 'archive'), idsIn(server, 'cold')], [[], ALL, THIRDS])
    const { code, stdout } = await workspace.sluice(['verify', 'p'], { env })
    assert.equal(code, 0, stdout)
  })

  test('one that is put back publishes its own objects', async (t) => {
    const { server, workspace, env, write } = await openWaiting(t)
    await write(['archive'])
    assert.equal((await workspace.sluice(['run', 'p'], { env })).code, 6)
    await write(['siem', 'archive'])
    await workspace.report(['run', 'p'], { env })
    assert.deepEqual(idsIn(server, 'siem'), THIRDS)
  })

  test('one that is added begins with new records', async (t) => {
    const { server, workspace, env, write } = await openJob(t, ['archive'])
    await workspace.report(['run', 'p'], { env })
    await write(['archive', 'cold'])
    await workspace.write('in.ndjson', [...ALL, 30, 31].map((id) => `{"id":${id},"third":${id % 3}}\n`).join(''))
    await workspace.report(['run', 'p'], { env })
    assert.deepEqual(
      [idsIn(server, 'archive'), idsIn(server, 'cold')],
      [
        [...ALL, 30, 31],
        [30, 31],
      ],
    )
  })

  test('the sink of a pipeline file with `sink` keeps its objects and its ledger under the name `sink`', async (t) => {
    const { server, workspace, env, write } = await openJob(t, ['archive'])
    const yaml = `source: { type: file, path: in.ndjson }\ntransforms: [{ type: dedup, key: id }]\nsink: { type: s3, bucket: cold, forcePathStyle: true, key: 'sink/e' }\n`
    await workspace.write('pipelines/p.yaml', yaml)
    const refusal = server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    await workspace.report(['run', 'p'], { env, code: 4 })
    refusal.remove()
    await write(['archive', 'siem'])
    const ambiguous = await workspace.sluice(['run', 'p'], { env })
    assert.match(ambiguous.stderr, /is committed for the sink sink and not published.*\n.*put `sink` back/)
    await workspace.write(
      'pipelines/p.yaml',
      yaml.replace('sink: {', 'sinks:\n  archive: { type: file, path: out }\n  sink: {'),
    )
    await workspace.report(['run', 'p'], { env })
    assert.deepEqual(idsIn(server, 'cold'), ALL)
    const { code, stdout } = await workspace.sluice(['verify', 'p'], { env })
    assert.equal(code, 0, stdout)
  })

  test('each is checked, and each has its own guarantees', async (t) => {
    const { workspace, env } = await openJob(t, ['siem', 'archive'])
    const { code, stdout } = await workspace.sluice(['check', 'p', '--connect', '--guarantees'], { env })
    assert.equal(code, 0, stdout)
    assert.match(stdout, /ok {5}siem: /)
    assert.match(stdout, /ok {5}archive: /)
    assert.match(stdout, /The sinks siem, archive commit together/)
    assert.match(stdout, /8GiB of objects for siem or 8GiB of objects for archive wait/)
  })
})
