import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownerOf } from '../../src/delivery/replicas/replica.ts'
import { openWorkspace } from '../support/command.ts'
import { openFleet, pipelineOf, range, shardKeyOf } from '../support/replicas.ts'

describe('sluice run --shard', () => {
  test('each of five replicas collects the tenants that fall to it, and all of them collect everything once', async (t) => {
    const fleet = await openFleet(t)
    const { jumpcloud, run, workspace } = fleet
    for (let number = 1; number <= 5; number++) {
      const before = jumpcloud.requests.length
      const report = await run(number, 5)
      const own = jumpcloud.organizations.filter(({ id }) => ownerOf('events', id, 5) === number)
      assert.deepEqual(
        new Set(jumpcloud.requests.slice(before).map(({ org }) => org)),
        new Set(own.map(({ id }) => id)),
      )
      assert.equal(report.written, 30 * own.length)
    }
    await fleet.assertOnce()
    const { stdout } = await workspace.sluice(['state', 'show', 'events', '--state', 'state-2'])
    assert.match(stdout, /\n {2}replica {5}2\/5\n/)
  })

  test('takes the replica from SLUICE_SHARD, also as the name of a pod', async (t) => {
    const key = shardKeyOf(2)
    const { run, workspace, sluice } = await openFleet(t, { key })
    const first = await workspace.sluice(['run', 'events', '--state', 'state-1'], {
      env: { SLUICE_SHARD: 'sluice-collector-0/2', SLUICE_SHARD_KEY: key },
    })
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stderr, /replica 1\/2 collects \d+ of 12 tenants/)
    await run(1, 2)
    const other = await sluice(['run', 'events', '--shard', '2/2'], 1, { SLUICE_SHARD: 'sluice-collector-0/2' })
    assert.match(other.stderr, /STATE_MISMATCH: the state belongs to replica 1\/2, not to replica 2\/2/)
  })

  test('refuses what is not a replica, and explains the numbering', async (t) => {
    const { sluice } = await openFleet(t)
    for (const [shard, message] of [
      ['0/5', /"0\/5" starts at 0: replicas are numbered from 1\n.*collector-0\/5 to collector-4\/5/],
      ['6/5', /"6\/5" has no replica 6 of 5/],
      ['collector-5/5', /"collector-5\/5" names replica 6 of 5, because pods are numbered from 0/],
      ['2', /"2" is not the number of a replica/],
      ['a/b', /"a\/b" is not the number of a replica/],
      ['', /"" is not the number of a replica/],
    ] as const) {
      const { code, stderr } = await sluice(['run', 'events', '--shard', shard], 1)
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
    }
  })

  test('says which replica collects the only tenant, and waits without one', async (t) => {
    const { jumpcloud, workspace, sluice, run, env } = await openFleet(t, { organizations: 1 })
    await workspace.write('pipelines/events.yaml', pipelineOf(jumpcloud, []))
    const owner = ownerOf('events', '', 5)
    const idle = (owner % 5) + 1
    assert.match(
      (await sluice(['run', 'events', '--shard', `${owner}/5`], owner)).stderr,
      new RegExp(`replica ${owner}/5 collects the only tenant of the pipeline`),
    )
    const { stderr, code } = await sluice(['run', 'events', '--shard', `${idle}/5`], idle)
    assert.equal(code, 0, stderr)
    assert.match(stderr, new RegExp(`replica ${idle}/5 has nothing to collect: .* which replica ${owner}/5 collects`))
    assert.equal((await run(owner, 5)).read, (await run(idle, 5)).read)

    const waiting = workspace.start(['run', 'events', '--follow', '--shard', `${idle}/5`, '--state', `state-${idle}`], {
      env,
    })
    const ended = waiting.ended.then(({ stderr: log }) => log)
    const isOwner = async () =>
      (await readdir(workspace.path(`state-${idle}/events`))).some((name) => name.endsWith('.sock'))
    while (!(await isOwner())) await Promise.race([sleep(20), ended.then((log) => assert.fail(log))])
    assert.equal(await Promise.race([ended, sleep(1000).then(() => 'waits')]), 'waits')
    waiting.kill('SIGTERM')
    assert.equal((await waiting.ended).code, 130)
  })

  test('refuses the state of another replica, with a way out that works', async (t) => {
    const { run, sluice, workspace } = await openFleet(t)
    const refuse = async (args: readonly string[], message: RegExp, env?: { readonly [name: string]: string }) => {
      const { code, stderr } = await sluice(['run', 'events', ...args], 1, env)
      assert.equal(code, 6, stderr)
      assert.match(stderr, message)
    }
    await run(1, 5)
    await refuse(
      ['--shard', '2/5'],
      /STATE_MISMATCH: the state belongs to replica 1\/5, not to replica 2\/5\n.*--shard 1\/5, or give this replica a --state of its own/,
    )
    await refuse(
      ['--shard', '1/6'],
      /STATE_MISMATCH: the state belongs to replica 1\/5, not to replica 1\/6\n.*sluice state export events <file> --count 6/,
      {
        SLUICE_SHARD_KEY: shardKeyOf(6),
      },
    )
    await refuse(
      ['--shard', '1/5'],
      /STATE_MISMATCH: the state of replica 1\/5 was created with another SLUICE_SHARD_KEY/,
      {
        SLUICE_SHARD_KEY: shardKeyOf(5),
      },
    )
    await refuse(
      [],
      /STATE_MISMATCH: the state belongs to replica 1\/5, not to one that was started without --shard\n.*run it with --shard 1\/5/,
    )
    await run(1, 5)

    assert.equal((await workspace.sluice(['run', 'events', '--state', 'state-2'])).code, 0)
    const plain = await sluice(['run', 'events', '--shard', '2/5'], 2)
    assert.equal(plain.code, 6)
    assert.match(
      plain.stderr,
      /STATE_MISMATCH: the state belongs to a process that collects all tenants, not to replica 2\/5/,
    )
  })

  test('a backfill in the state of a replica has to say that the archive is that of its tenants', async (t) => {
    const { run, sluice, workspace, assertOnce } = await openFleet(t)
    await workspace.write('in.ndjson', '{"id":"x","timestamp":"2026-01-01T00:00:00Z"}\n')
    const backfill = (...args: string[]) => sluice(['backfill', 'events', 'in.ndjson', ...args], 2)
    const early = await backfill('--shard', '2/5')
    assert.equal(early.code, 2, early.stderr)
    assert.match(early.stderr, /USAGE: replica 2\/5 has no state in .*\n.*sluice run events --shard 2\/5/)
    const inPod = await sluice(['backfill', 'events', 'in.ndjson'], 2, { SLUICE_SHARD: 'collector-1/5' })
    assert.match(inPod.stderr, /USAGE: replica 2\/5 has no state/)
    for (const number of range(5)) await run(number, 5)
    await assertOnce()
    for (const args of [[], ['--dry-run'], ['--workers', '2']]) {
      const { code, stderr } = await backfill(...args)
      assert.equal(code, 6, stderr)
      assert.match(
        stderr,
        /STATE_MISMATCH: the state belongs to replica 2\/5, and a backfill reads the records of all tenants.*\n.*--shard 2\/5/,
      )
    }
    const other = await backfill('--shard', '3/5')
    assert.match(other.stderr, /STATE_MISMATCH: the state belongs to replica 2\/5, not to replica 3\/5\n.*--shard 2\/5/)
    const own = await backfill('--shard', '2/5')
    assert.equal(own.code, 0, own.stderr)
    assert.match(own.stderr + own.stdout, /written +1 /)
    await run(2, 5)
  })

  test('needs the key of this number of replicas', async (t) => {
    const { sluice, workspace } = await openFleet(t)
    for (const [key, code, message] of [
      ['', 2, /USAGE: replica 1\/7 needs SLUICE_SHARD_KEY, the same for all replicas\n.*sluice new shard-key 7/],
      ['secret', 2, /USAGE: SLUICE_SHARD_KEY does not hold a key of replicas/],
      [shardKeyOf(5).replace('5.', '7.'), 2, /USAGE: SLUICE_SHARD_KEY was changed by hand/],
      [shardKeyOf(5), 6, /STATE_MISMATCH: SLUICE_SHARD_KEY is that of 5 replicas, and this is replica 1\/7/],
    ] as const) {
      const { stderr, ...ended } = await sluice(['run', 'events', '--shard', '1/7'], 1, { SLUICE_SHARD_KEY: key })
      assert.equal(ended.code, code, stderr)
      assert.match(stderr, message)
      assert.ok(key === '' || !stderr.replaceAll('SLUICE_SHARD_KEY', '').includes(key))
    }
    const made = await workspace.sluice(['new', 'shard-key', '7'])
    const [, key = ''] = /^SLUICE_SHARD_KEY=(\S+)\n$/.exec(made.stdout) ?? []
    const { code, stderr } = await sluice(['run', 'events', '--shard', '1/7'], 1, { SLUICE_SHARD_KEY: key })
    assert.equal(code, 0, stderr)
    assert.equal((await workspace.sluice(['new', 'shard-key'])).code, 2)
    assert.equal((await workspace.sluice(['new', 'shard-key', '0'])).code, 2)
  })

  test('refuses a source that names no tenants; divides a custom one that does', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('pipelines/files.yaml', 'source: { type: file, path: in }\nsink: { type: file, path: out }\n')
    const env = { SLUICE_SHARD_KEY: shardKeyOf(2) }
    const files = await workspace.sluice(['run', 'files', '--shard', '1/2'], { env })
    assert.equal(files.code, 2)
    assert.match(
      files.stderr,
      /UNSUPPORTED: the source file cannot be divided among replicas: it names no tenants\n.*without --shard/,
    )

    await workspace.write('topics.js', SOURCE)
    for (const [name, obeys] of [
      ['good', true],
      ['bad', false],
    ] as const)
      await workspace.write(
        `pipelines/${name}.yaml`,
        `source: { type: ../topics.js, obeys: ${obeys} }\nsink: { type: file, path: out-${name}, key: all, compression: none }\n`,
      )
    const reports = await Promise.all(
      [1, 2].map((number) =>
        workspace.report(['run', 'good', '--shard', `${number}/2`, '--state', `state-${number}`], { env }),
      ),
    )
    const written = reports.map((report) => report.written)
    assert.deepEqual(
      written,
      [1, 2].map((number) => TOPICS.filter((topic) => ownerOf('good', topic, 2) === number).length),
    )
    const bad = await workspace.sluice(['run', 'bad', '--shard', '1/2'], { env })
    assert.equal(bad.code, 3)
    assert.match(bad.stderr, /SOURCE_FAILED: .*yielded a record of tenant "\w", which another replica collects/)
  })
})

const TOPICS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const SOURCE = `import { defineSource, Type } from 'sluice'
const topics = ${JSON.stringify(TOPICS)}
export default defineSource({
  summary: 'Topics.',
  repeats: false,
  fields: { obeys: Type.Boolean({ description: 'Whether it obeys.' }) },
  tenants: () => topics,
  create: ({ obeys }) => ({
    async *read({ tenants }) {
      for (const topic of topics)
        if (!obeys || tenants.has(topic)) yield { partition: topic, records: [{ topic }], position: 1 }
    },
  }),
})
`
