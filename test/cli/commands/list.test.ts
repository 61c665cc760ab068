import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { test } from 'node:test'
import { builtIns } from '../../../src/registry.ts'
import { validPipeline } from '../../support/config-project.ts'
import { openProject } from '../../support/cli-project.ts'

test('list shows the pipelines of the project and every component', async (t) => {
  const work = await openProject(t, { 'pipelines/b.yaml': validPipeline, 'pipelines/a.yml': validPipeline })
  const { code, stdout, stderr } = await work.sluice(['list'])
  assert.equal(code, 0)
  assert.equal(stderr, '')
  assert.match(stdout, /^pipelines\n {2}a\n {2}b\n\nsources\n/)
  for (const { type, summary } of builtIns) assert.ok(stdout.includes(`  ${type} `) && stdout.includes(summary), type)
})

test('list --json prints pipelines and components', async (t) => {
  const { stdout } = await (await openProject(t, {})).sluice(['list', '--json'])
  assert.deepEqual(JSON.parse(stdout), {
    pipelines: [],
    shipped: ['archive', 'cloudflare', 'cloudtrail', 'duo', 'github', 'jumpcloud', 'okta', 'onepassword', 'slack'],
    components: builtIns.map(({ kind, type, summary }) => ({ kind, type, summary })),
  })
})

test('list shows which pipelines can be copied, without those that the project has', async (t) => {
  const work = await openProject(t, { 'pipelines/okta.yaml': validPipeline })
  const { stdout } = await work.sluice(['list'])
  assert.match(
    stdout,
    /\n\npipelines to copy with sluice new pipeline --from NAME\n {2}archive\n(?! {2}okta$)[^]*\n {2}slack\n$/m,
  )
})

test('a file in place of the folder of pipelines has no pipelines, and a folder that cannot be read is named', async (t) => {
  const file = await openProject(t, { pipelines: 'x' })
  assert.equal((await file.sluice(['list'])).code, 0)
  for (const args of [['run', 'okta'], ['test'], ['check', 'pipelines/okta.yaml']]) {
    const { code, stderr } = await file.sluice(args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, /PIPELINE_NOT_FOUND: /)
  }
  const loop = await openProject(t, {})
  await symlink('pipelines', loop.path('pipelines'))
  for (const args of [['list'], ['run', 'okta'], ['test'], ['init']]) {
    const { code, stderr } = await loop.sluice(args)
    assert.equal(code, 3, stderr)
    assert.match(stderr, /FILE_NOT_FOUND: \S+pipelines\S* cannot be read: ELOOP\n {2}correct the path, or its rights/)
  }
})
