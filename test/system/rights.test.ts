import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, rename, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openProject } from '../support/cli-project.ts'
import type { Workspace } from '../support/command.ts'

function openEvents(t: TestContext, sink = 'type: file, path: out'): Promise<Workspace> {
  return openProject(t, {
    'in.ndjson': '{"id":1}\nbroken\n',
    'pipelines/p.yaml': `source: { type: file, path: in.ndjson }
transforms: [{ type: dedup, key: id }]
sink: { ${sink}, key: 'a/{record.id}' }
rejects: { type: file, path: bad, key: all }
`,
  })
}

/** The modes below a folder that give rights to the group or to others. */
async function openModes(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const name of ['.', ...(await readdir(folder, { recursive: true }))]) {
    const { mode } = await stat(join(folder, name))
    if ((mode & 0o077) !== 0) found.push(`${name} ${(mode & 0o777).toString(8)}`)
  }
  return found
}

test('everything that a run writes is private, whatever the umask', async (t) => {
  const workspace = await openEvents(t)
  const before = process.umask(0)
  t.after(() => process.umask(before))
  const { code, stderr } = await workspace.start(['run', 'p']).ended
  assert.equal(code, 0, stderr)
  for (const folder of ['.sluice', 'out', 'bad']) assert.deepEqual(await openModes(workspace.path(folder)), [])
})

test('a file sink can let the group of the folder read', async (t) => {
  const workspace = await openEvents(t, 'type: file, path: out, access: group')
  assert.equal((await workspace.sluice(['run', 'p'])).code, 0)
  const [name] = await readdir(workspace.path('out/a/1'))
  assert.equal((await stat(workspace.path('out/a/1', name))).mode & 0o777, 0o640)
  assert.equal((await stat(workspace.path('out/a'))).mode & 0o777, 0o750)
})

test('rights of other users on a state folder are removed and logged; those on a sink folder are logged', async (t) => {
  const workspace = await openEvents(t)
  await mkdir(workspace.path('.sluice/p/rejects'), { recursive: true })
  await mkdir(workspace.path('out'))
  for (const folder of ['.sluice', '.sluice/p', '.sluice/p/rejects', 'out']) await chmod(workspace.path(folder), 0o777)
  const { code, stderr } = await workspace.sluice(['run', 'p'])
  assert.equal(code, 0, stderr)
  for (const folder of ['p', 'p/rejects'])
    assert.match(
      stderr,
      new RegExp(`rights on the state folder; they were removed folder=${workspace.path('.sluice', folder)}\n`),
    )
  assert.match(stderr, new RegExp(`write to the folder above it folder=${workspace.path('.sluice')}\n`))
  assert.match(stderr, new RegExp(`other users can enter the folder of the sink; .* folder=${workspace.path('out')}\n`))
  assert.deepEqual(await openModes(workspace.path('.sluice/p')), [])
  const again = await workspace.sluice(['run', 'p'])
  assert.doesNotMatch(again.stderr, /they were removed/)
})

test('a state folder that is a link is refused, by every command that would write to it', async (t) => {
  const workspace = await openEvents(t)
  assert.equal((await workspace.sluice(['run', 'p'])).code, 0)
  await rename(workspace.path('.sluice/p'), workspace.path('elsewhere'))
  await symlink(workspace.path('elsewhere'), workspace.path('.sluice/p'))
  for (const command of [
    ['run', 'p'],
    ['state', 'rewind', 'p'],
    ['state', 'reset', 'p', '--yes'],
    ['rejects', 'replay', 'p'],
  ]) {
    const { code, stderr } = await workspace.sluice(command)
    assert.equal(code, 6, stderr)
    assert.match(stderr, /FOLDER_UNSAFE: .*\.sluice\/p is a link\n  move the folder there, or give --state/)
  }
  assert.ok((await readdir(workspace.path('elsewhere'))).includes('state'), 'nothing was deleted')

  await mkdir(workspace.path('states/p'), { recursive: true })
  await symlink(workspace.path('elsewhere'), workspace.path('states/p/outbox'))
  const inside = await workspace.sluice(['run', 'p', '--state', 'states'])
  assert.match(inside.stderr, /FOLDER_UNSAFE: .*states\/p\/outbox is a link/)
})

test('two processes with different paths of a very long state folder do not both own it', async (t) => {
  const workspace = await openEvents(t)
  const states = join('x'.repeat(120), 'y'.repeat(120))
  const first = workspace.start(['run', 'p', '--follow', '--state', states])
  await symlink(workspace.path('x'.repeat(120)), workspace.path('short'))
  const other = join('short', 'y'.repeat(120))
  for (;;) {
    const { stdout } = await workspace.sluice(['state', 'show', 'p', '--state', states])
    if (stdout.includes(`process ${first.pid}`)) break
    await sleep(20)
  }
  const { code, stderr } = await workspace.sluice(['run', 'p', '--state', other])
  assert.equal(code, 6, stderr)
  assert.match(stderr, new RegExp(`STATE_IN_USE: the state is in use by process ${first.pid}`))
  first.kill('SIGKILL')
  await first.ended
  assert.equal((await workspace.sluice(['run', 'p', '--state', other])).code, 0)
})
