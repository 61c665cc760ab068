import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openWorkspace } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'
import { clockJumping } from './support/clock.ts'
import { PIPELINE, verify, writeJob } from './support/job.ts'
import { startServers } from './support/servers.ts'
import { THOROUGH } from './support/seed.ts'
import type { Servers } from './support/servers.ts'
import { MAIN } from '../../support/paths.ts'
import { DAY } from '../../../src/time.ts'

describe('a run leaves a clean state and ends with the documented status', { concurrency: 3 }, () => {
  test('when it is asked to end', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    const running = workspace.start(['run', 'events'], { env })
    await servers.reached(15)
    running.kill('SIGTERM')
    const { code, stderr } = await running.ended
    assert.equal(code, 130, stderr)
    assert.match(stderr, /INTERRUPTED/)
    await assertCompletes(workspace, servers, env)
  })

  test('when it is asked to end twice', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    const running = workspace.start(['run', 'events', '--follow'], { env })
    await servers.reached(15)
    running.kill('SIGTERM')
    running.kill('SIGINT')
    const { code, stderr } = await running.ended
    assert.equal(code, 130, stderr)
    await assertCompletes(workspace, servers, env)
  })

  test('when it is stopped for a while', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    const running = workspace.start(['run', 'events'], { env })
    await servers.reached(15)
    running.kill('SIGSTOP')
    const { code: refused, stderr } = await workspace.sluice(['run', 'events'], { env })
    assert.equal(refused, 6, stderr)
    assert.match(stderr, /STATE_IN_USE/)
    await sleep(THOROUGH ? 30_000 : IDLE)
    running.kill('SIGCONT')
    assert.equal((await running.ended).code, 0)
    await verify(workspace, servers)
  })

  test('when its clock jumps by a day in both directions', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    const { code, stderr } = await workspace.sluice(['run', 'events'], { env, node: clockJumping(DAY) })
    // The store may reject a signature because of its time.
    if (code !== 0) assert.match(stderr, /SINK_REFUSED: .*RequestTimeTooSkewed.*the clock of this machine is wrong/)
    await assertCompletes(workspace, servers, env)
  })

  test('when its heap is exhausted', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    await workspace.write('pipelines/hoard.ts', HOARD)
    await workspace.write(
      'pipelines/events.yaml',
      PIPELINE.replace('transforms:', 'transforms:\n  - { type: ./hoard.ts }'),
    )
    const { code, stderr } = await workspace.sluice(['run', 'events'], {
      env: { ...env, HOARD: '1500' },
      node: ['--max-old-space-size=64'],
    })
    assert.equal(code, null, stderr)
    assert.match(stderr, /FATAL ERROR: .*heap out of memory/)
    const { stdout } = await workspace.sluice(['state', 'show', 'events', '--json'])
    const { totals }: { totals: { written: number } } = JSON.parse(stdout)
    assert.ok(totals.written > 0 && totals.written < 1500, stdout)
    await assertCompletes(workspace, servers, env)
  })

  test('when it may have few open files', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    const { code, stderr } = await runAs(workspace, FEW_FILES, env)
    assert.equal(code, 0, stderr)
    await verify(workspace, servers)
  })

  test('when it may have fewer open files than it has objects to write', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    const { code, stderr } = await runAs(workspace, FEW_FILES, env, ['--set', 'sink.key=objects/{record.id}'])
    assert.equal(code, 6, stderr)
    assert.match(stderr, /\nsluice: DISK_FAILED: .* EMFILE.*ulimit -n.*maxPartitions/)
    await assertCompletes(workspace, servers, env)
  })

  test('when it may not write to its state', async (t) => {
    const { workspace, servers, env } = await openJob(t)
    assert.equal((await workspace.sluice(['run', 'events'], { env })).code, 0)
    const state = workspace.path('.sluice/events')
    await chmod(workspace.folder, 0o755)
    for (const mode of [0o555, 0o500]) {
      await changeModes(state, mode)
      const { code, stderr } = await runAs(workspace, AS_NOBODY, env)
      assert.equal(code, 6, stderr)
      assert.match(stderr, /DISK_FAILED.*(EACCES|EPERM|ermission)/)
    }
    await changeModes(state, 0o700)
    await assertCompletes(workspace, servers, env)
  })

  test('when its state folder is a file', async (t) => {
    const { workspace, env } = await openJob(t)
    await workspace.write('taken', '')
    const { code, stderr } = await workspace.sluice(['run', 'events', '--state', 'taken'], { env })
    assert.equal(code, 6, stderr)
    assert.match(stderr, /DISK_FAILED.*taken/)
  })
})

type Environment = Servers['environment']

async function openJob(t: TestContext): Promise<{ workspace: Workspace; servers: Servers; env: Environment }> {
  const workspace = await openWorkspace(t)
  await writeJob(workspace)
  const servers = await startServers(t, { seed: 5, events: 2000 })
  return { workspace, servers, env: servers.environment }
}

async function assertCompletes(workspace: Workspace, servers: Servers, env: Environment): Promise<void> {
  const { code, stderr } = await workspace.sluice(['run', 'events'], { env })
  assert.equal(code, 0, stderr)
  await verify(workspace, servers)
}

async function changeModes(folder: string, mode: number): Promise<void> {
  await chmod(folder, mode | 0o500)
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name)
    await chmod(path, (await stat(path)).isDirectory() ? mode : mode & 0o666)
  }
  await chmod(folder, mode)
}

/** Milliseconds, longer than the servers keep idle connections. */
const IDLE = 6000

/** A custom transform that keeps records until the heap is exhausted. */
const HOARD = `import { defineTransform } from 'sluice'

export default defineTransform({
  summary: 'Keeps what it is given.',
  fields: {},
  create() {
    const kept = []
    const first = Number(process.env['HOARD'] ?? Infinity)
    let seen = 0
    return (record) => {
      if (++seen > first) kept.push(Array.from({ length: 50_000 }, () => record.value))
      return record
    }
  },
})
`

/** Open files that a run needs besides its objects, as documented. */
const FEW_FILES = 'ulimit -n 64; exec'

/** Root may write anywhere, so drop its rights. */
const AS_NOBODY = process.getuid?.() === 0 ? 'exec setpriv --reuid 65534 --regid 65534 --clear-groups' : 'exec'

function runAs(
  { folder }: Workspace,
  shell: string,
  env: Environment,
  options: readonly string[] = [],
): Promise<{ code: number; stderr: string }> {
  const args = ['-c', `${shell} "$0" "$@"`, process.execPath, MAIN, 'run', 'events', ...options]
  return new Promise((done) => {
    execFile('sh', args, { cwd: folder, env: { ...process.env, ...env } }, (error, _stdout, stderr) =>
      done({ code: Number(error?.code ?? 0), stderr }),
    )
  })
}
