import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { nodeVersionNotice } from '../../../src/cli/node-version.ts'
import { listShipped } from '../../../src/config/shipped.ts'
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

test('each pipeline that comes with Sluice is copied ready to run: its check and its tests pass in the new project', async (t) => {
  const work = await openProject(t, {})
  for (const name of listShipped()) {
    const { code, stdout, stderr } = await work.sluice(['new', 'pipeline', '--from', name])
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`^pipelines/${name}\\.yaml\n`))
    assert.match(stderr, new RegExp(`\nnext: sluice test ${name}\n$|^next: sluice test ${name}\n$`))
  }
  const checked = await work.sluice(['check'])
  assert.equal(checked.code, 0, checked.stdout)
  const tested = await work.sluice(['test'])
  assert.equal(tested.code, 0, tested.stdout)
  for (const name of listShipped()) assert.match(tested.stdout, new RegExp(`^${name}\n {2}ok `, 'm'))
  assert.equal((await work.sluice(['run', 'archive'])).code, 0)
})

test('a copied pipeline takes another name, names its variables, and changes no file that exists', async (t) => {
  const work = await openProject(t, { 'schemas/okta-event.schema.json': '{ "type": "object" }\n' })
  const { stdout, stderr } = await work.sluice(['new', 'pipeline', 'okta-eu', '--from', 'okta'])
  assert.equal(stdout, 'pipelines/okta-eu.yaml\ntests/okta-eu/collects-a-day.yaml\n')
  assert.match(
    stderr,
    /^kept as they were: schemas\/okta-event\.schema\.json\nset these variables.*OKTA_ORG_URL, OKTA_API_TOKEN/,
  )
  assert.equal(await readFile(work.path('schemas/okta-event.schema.json'), 'utf8'), '{ "type": "object" }\n')
  await work.write('pipelines/okta.yml', 'mine')
  for (const args of [
    ['okta-eu', '--from', 'okta'],
    ['--from', 'okta'],
  ]) {
    const again = await work.sluice(['new', 'pipeline', ...args])
    assert.equal(again.code, 2)
    assert.match(again.stderr, /already exists\n {2}choose another name: sluice new pipeline NAME --from okta/)
  }
  for (const args of [
    ['pipeline', '--from', 'nope'],
    ['transform', '--from', 'okta'],
    ['key', '--from', 'okta'],
  ])
    assert.equal((await work.sluice(['new', ...args])).code, 2, args.join(' '))
})

test('every command that does not find a pipeline says that Sluice ships one, and how to get it', async (t) => {
  const work = await openProject(t, { 'pipelines/okta-eu.yaml': 'source: {}\n', 'in.ndjson': '' })
  for (const line of [
    'run',
    'check',
    'test',
    'preview',
    'verify',
    'backfill okta in.ndjson',
    'rejects replay',
    'state redirect',
  ]) {
    const args = line.includes('okta') ? line.split(' ') : [...line.split(' '), 'okta']
    const { code, stderr } = await work.sluice(args)
    assert.equal(code, 2, line)
    assert.match(
      stderr,
      /PIPELINE_NOT_FOUND: there is no pipeline "okta"\n {2}Sluice ships it: copy it .* sluice new pipeline --from okta\n/,
    )
  }
  const path = await work.sluice(['run', 'pipelines/github.yaml'])
  assert.match(path.stderr, /does not exist\n {2}Sluice ships it: .* --from github\n/)
  const misspelt = await work.sluice(['run', 'jumpclod'])
  assert.match(misspelt.stderr, /did you mean jumpcloud, which Sluice ships: .* --from jumpcloud\n/)
  const own = await work.sluice(['run', 'okta-eo'])
  assert.match(own.stderr, /did you mean "okta-eu"\?/)
  const described = await work.sluice(['describe', 'okta'])
  assert.match(described.stderr, /it is a pipeline: .* --from okta\n/)
})

test('without pipelines, check and test fail and name the ways to get one', async (t) => {
  const work = await openProject(t, {})
  for (const command of ['check', 'test']) {
    const { code, stderr } = await work.sluice([command])
    assert.equal(code, 2, command)
    assert.match(
      stderr,
      /PIPELINE_NOT_FOUND: there are no pipelines in pipelines\/\n {2}create a project with sluice init/,
    )
  }
})

test('a command in a folder of the project says where the pipelines are', async (t) => {
  const work = await openProject(t, { 'pipelines/okta.yaml': 'source: {}\n', 'transforms/a.js': '' })
  const run = await work.sluice(['run', 'okta'], { cwd: 'transforms' })
  assert.match(run.stderr, new RegExp(`no pipeline "okta"\\n {2}it is in ${work.folder}: run the command there\\n`))
  const check = await work.sluice(['check'], { cwd: 'transforms' })
  assert.match(check.stderr, new RegExp(`${work.folder}/pipelines exists: run the command in ${work.folder}\\n`))
})
