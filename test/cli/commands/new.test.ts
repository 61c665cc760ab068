import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { nodeVersionNotice } from '../../../src/cli/node-version.ts'
import { openProject } from '../../support/cli-project.ts'

const notice = nodeVersionNotice(process.version)
const nodeNotice = notice === undefined ? '' : `${notice}\n`

for (const kind of ['pipeline', 'transform']) {
  test(`a new ${kind} passes check and test, and is never overwritten`, async (t) => {
    const work = await openProject(t, {})
    const created = await work.sluice(['new', kind, 'tag-admins'])
    assert.equal(created.code, 0, created.stderr)
    const files = created.stdout.trim().split('\n')
    assert.deepEqual(
      files,
      kind === 'transform' ? ['transforms/tag-admins.ts', 'pipelines/tag-admins.yaml'] : ['pipelines/tag-admins.yaml'],
    )
    assert.deepEqual(await work.sluice(['check']), {
      code: 0,
      stdout: 'pipelines/tag-admins.yaml: ok\n',
      stderr: nodeNotice,
    })
    const tested = await work.sluice(['test'])
    assert.equal(tested.code, 0, tested.stdout + tested.stderr)
    assert.match(tested.stdout, /1 passed, 0 failed/)

    const before = await readFile(work.path(files[0] ?? ''), 'utf8')
    const again = await work.sluice(['new', kind, 'tag-admins'])
    assert.equal(again.code, 2)
    assert.match(again.stderr, /already exists/)
    assert.equal(await readFile(work.path(files[0] ?? ''), 'utf8'), before)
  })
}

test('new adds a reference to the editor schema', async (t) => {
  const work = await openProject(t, {})
  await work.sluice(['new', 'pipeline', 'a'])
  const yaml = await readFile(work.path('pipelines/a.yaml'), 'utf8')
  const modeline = /\$schema=(\S+)/.exec(yaml)?.[1] ?? ''
  const schema: { title: string } = JSON.parse(await readFile(work.path('pipelines', modeline), 'utf8'))
  assert.equal(schema.title, 'A Sluice pipeline')
})

test('new rejects an invalid name and an unknown kind', async (t) => {
  const work = await openProject(t, {})
  for (const args of [['pipeline', '../a'], ['pipeline', 'A'], ['sink', 'a'], ['pipeline']]) {
    assert.equal((await work.sluice(['new', ...args])).code, 2, args.join(' '))
  }
})

test('a new key is one line for an environment file, long enough for hmac, and fresh each time', async (t) => {
  const work = await openProject(t, {})
  const [one, two] = [await work.sluice(['new', 'key']), await work.sluice(['new', 'key', 'OTHER_KEY'])]
  assert.match(one.stdout, /^SLUICE_HMAC_KEY=[\w-]{43}\n$/)
  assert.match(two.stdout, /^OTHER_KEY=[\w-]{43}\n$/)
  assert.notEqual(one.stdout.split('=')[1], two.stdout.split('=')[1])
  assert.equal((await work.sluice(['new', 'key', 'not-a-name'])).code, 2)
})
