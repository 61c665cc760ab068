import assert from 'node:assert/strict'
import { readdir, readFile, stat, symlink } from 'node:fs/promises'
import { test } from 'node:test'
import { startS3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import { openProject } from '../../support/cli-project.ts'

const FILES = [
  'package.json',
  'pipelines/events.yaml',
  'tests/events/reads-samples.yaml',
  'samples/events.ndjson',
  'schemas/event.schema.json',
  'transforms/mark-failures.ts',
  'schemas/pipeline.schema.json',
  'schemas/test.schema.json',
  'tsconfig.json',
  '.env.example',
  '.gitignore',
  '.vscode/settings.json',
  '.vscode/extensions.json',
]

test('init makes a project in a new folder, whose check, tests and first run pass', async (t) => {
  const s3 = await startS3Server({ buckets: ['audit'] })
  t.after(() => s3.close())
  const work = await openWorkspace(t)
  const made = await work.sluice(['init', 'my project'])
  assert.equal(made.code, 0, made.stderr)
  assert.deepEqual(
    made.stdout.trim().split('\n'),
    FILES.map((name) => `my project/${name}`),
  )
  assert.match(
    made.stderr,
    /^\nnext, in my project:\n {2}sluice test\n {2}cp \.env\.example \.env .*\n {2}sluice run events\n$/,
  )
  assert.equal((await stat(work.path('my project/.env.example'))).mode & 0o777, 0o600)

  const cwd = 'my project'
  const tested = await work.sluice(['test'], { cwd })
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  assert.match(tested.stdout, /3 passed, 0 failed/)
  const env = { ...s3Environment(s3), SLUICE_BUCKET: 'audit' }
  const checked = await work.sluice(['check'], { cwd, env })
  assert.match(checked.stdout, /^pipelines\/events\.yaml: ok$/m)
  const ran = await work.sluice(['run', 'events'], { cwd, env })
  assert.equal(ran.code, 0, ran.stderr)
  assert.deepEqual([...s3.objects('audit').keys()].map((key) => key.replace(/[^/]*$/, '')).toSorted(), [
    'events/dt=2024-03-04/',
    'events/dt=2024-03-05/',
  ])
})

test('init never changes a file that exists, and completes what is missing', async (t) => {
  const mine = Object.fromEntries(FILES.map((name) => [name, `mine: ${name}`]))
  const work = await openProject(t, mine)
  const { code, stdout, stderr } = await work.sluice(['init'])
  assert.equal(code, 0, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^kept as they were: package\.json, pipelines\/events\.yaml/)
  for (const [name, content] of Object.entries(mine)) assert.equal(await readFile(work.path(name), 'utf8'), content)

  const other = await openWorkspace(t)
  await symlink('/nowhere/at/all', other.path('.env.example'))
  await other.write('.gitignore', '/node_modules\n')
  const completed = await other.sluice(['init'])
  assert.equal(completed.code, 0, completed.stderr)
  assert.match(completed.stderr, /^kept as they were: package\.json, \.env\.example, \.gitignore\n/)
  assert.match(completed.stderr, /warning: \.gitignore does not name \.env/)
  await assert.rejects(stat('/nowhere/at/all'))
  assert.equal((await other.sluice(['test'])).code, 0)
})

test('init adds no first pipeline to a project that has pipelines, unless one is asked for', async (t) => {
  const work = await openProject(t, {
    'pipelines/mine.yml': 'source: { type: file, path: "-" }\nsink: { type: stdout }\n',
  })
  const { stdout, stderr } = await work.sluice(['init'])
  assert.doesNotMatch(stdout, /events|okta/)
  assert.match(stderr, /\n {2}sluice check\n$/)
  const asked = await work.sluice(['init', '--from', 'okta'])
  assert.deepEqual(asked.stdout.trim().split('\n'), [
    'pipelines/okta.yaml',
    'tests/okta/collects-a-day.yaml',
    'schemas/okta-event.schema.json',
  ])
  assert.match(asked.stderr, /\n {2}sluice run okta\n$/)
  assert.equal((await work.sluice(['init', '--from', 'nope'])).code, 2)
  assert.equal((await work.sluice(['test', 'okta'])).code, 0)
})

test('the example of the environment has every variable of the pipeline, without a value that is secret', async (t) => {
  const work = await openWorkspace(t)
  await work.sluice(['init', 'a', '--from', 'onepassword'])
  const example = await readFile(work.path('a/.env.example'), 'utf8')
  const yaml = await readFile(work.path('a/pipelines/onepassword.yaml'), 'utf8')
  for (const [, name = ''] of yaml.matchAll(/\$\{env:(\w+)/g)) assert.match(example, new RegExp(`^(# )?${name}=`, 'm'))
  assert.match(example, /^ONEPASSWORD_TOKEN=$/m)
  assert.match(example, /^# ONEPASSWORD_EVENTS_URL=https:\/\/events\.1password\.com$/m)
})

test('init refuses a folder that is neither empty nor a project, and a path that is a file', async (t) => {
  const work = await openProject(t, { 'home/photo.jpg': 'x', 'downloads/sluice-0.1.0.tgz': 'x', 'a-file': 'x' })
  const refused = await work.sluice(['init', 'home'])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /USAGE: the folder \S+\/home is not a project, and not empty: it contains photo\.jpg/)
  assert.deepEqual(await readdir(work.path('home')), ['photo.jpg'])
  assert.equal((await work.sluice(['init', 'a-file'])).code, 2)
  // The archive of the package itself is no reason.
  assert.equal((await work.sluice(['init', 'downloads'])).code, 0)
})

test('init writes nothing when a file has the name of a folder that it needs, and completes the project later', async (t) => {
  const work = await openProject(t, { schemas: 'x' })
  const { code, stdout, stderr } = await work.sluice(['init'])
  assert.equal(code, 6)
  assert.equal(stdout, '')
  assert.match(stderr, /DISK_FAILED: cannot create the folder \S+\/schemas: a file has the name of a folder/)
  assert.deepEqual(
    (await readdir(work.folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile()).length,
    2,
  )
})

test('a path on which no project can be is an error of the path, not a bug', async (t) => {
  const work = await openProject(t, { 'a-file': 'x', 'project/package.json': '{}', 'project/.gitignore/x': 'x' })
  for (const [path, why] of [
    ['a-file/below', 'a file has the name of a folder'],
    ['x'.repeat(300), 'ENAMETOOLONG'],
  ] as const) {
    const { code, stderr } = await work.sluice(['init', path])
    assert.equal(code, 6, stderr)
    assert.ok(stderr.includes(`DISK_FAILED: cannot create the folder `) && stderr.includes(`: ${why}\n`), stderr)
  }
  const made = await work.sluice(['init'], { cwd: 'project' })
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stderr, /warning: \.gitignore does not name \.env/)
})
