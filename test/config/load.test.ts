import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { listPipelines } from '../../src/config/find-pipeline.ts'
import { loadPipeline } from '../../src/config/load.ts'
import type { LoadOptions } from '../../src/config/load.ts'
import type { CheckedPipeline } from '../../src/config/pipeline.ts'
import { hideSecrets } from '../../src/observe/secrets.ts'
import { renderProblems } from '../../src/config/render.ts'
import { SluiceError } from '../../src/errors.ts'
import { makeProject, parts, validPipeline, writeFiles } from '../support/config-project.ts'

async function load(
  t: TestContext,
  yaml: string,
  options: Partial<LoadOptions> = {},
  more: { [path: string]: string } = {},
) {
  const root = await makeProject(t, { ...parts, ...more, 'pipelines/x.yaml': yaml })
  return { root, ...(await loadPipeline('x', { root, env: {}, mode: 'run', ...options })) }
}

async function loadValid(
  t: TestContext,
  yaml: string,
  options: Partial<LoadOptions> = {},
  more: { [path: string]: string } = {},
) {
  const { pipeline, problems, root } = await load(t, yaml, options, more)
  assert.ok(pipeline, await renderProblems(problems))
  return { ...pipeline, root, problems }
}

test('fills in defaults and converts durations, sizes and paths', async (t) => {
  const pipeline = await loadValid(
    t,
    `description: Tries it.
source:
  type: ../parts/feed.ts
  path: [a, b]
  every: 1h30m
  schema: ../parts/pass.ts
  folder: out
  when: { service: [sso, radius], n: { exists: true } }
  page: { type: offset, limit: 3 }
transforms:
  - type: ../parts/pass.ts
  - type: dedup
    key: [id, timestamp]
    time: timestamp
    within: 7d
  - type: ../parts/pass.ts
sink:
  type: ../parts/store.ts
  bucket: audit
rejects:
  type: ../parts/store.ts
  bucket: rejects
limits: { maxLine: 2MiB }
tests:
  - name: keeps it
    input: [{ at: 2024-03-04T18:01:26Z, ok: yes, env: "\${env:X}" }, "not json"]
    expect: { duplicates: 0 }
`,
  )
  const { root } = pipeline
  assert.equal(pipeline.name, 'x')
  assert.equal(pipeline.file, 'pipelines/x.yaml')
  assert.equal(pipeline.folder, join(root, 'pipelines'))
  assert.equal(pipeline.description, 'Tries it.')
  assert.deepEqual(pipeline.limits, { maxDepth: 64, maxLine: 2_097_152 })
  assert.deepEqual(pipeline.source.config, {
    path: ['a', 'b'],
    every: 5_400_000,
    schema: join(root, 'parts/pass.ts'),
    folder: join(root, 'out'),
    when: { service: ['sso', 'radius'], n: { exists: true } },
    page: { type: 'offset', limit: 3, step: 1000 },
    mode: 'auto',
    strict: false,
  })
  assert.deepEqual(pipeline.sinks[0].config, { bucket: 'audit', key: 'audit', roll: { maxBytes: 134_217_728 } })
  assert.deepEqual(stagesOf(pipeline), ['feed', 'pass', 'dedup', 'pass-2', 'store', 'store-2'])
  assert.deepEqual(pipeline.tests, [
    {
      name: 'keeps it',
      env: {},
      input: [{ at: '2024-03-04T18:01:26Z', ok: 'yes', env: '${env:X}' }, 'not json'],
      expect: { duplicates: 0 },
      file: 'pipelines/x.yaml',
      path: join(root, 'pipelines/x.yaml'),
      keys: ['tests', 0],
      line: 25,
      inputLines: [26, 26],
    },
  ])
})

test('finds a pipeline by its name or path, with either extension', async (t) => {
  const root = await makeProject(t, {
    ...parts,
    'pipelines/a.yaml': validPipeline,
    'pipelines/b.yml': validPipeline,
    'pipelines/notes.txt': '',
  })
  const options: LoadOptions = { root, env: {}, mode: 'run' }
  assert.deepEqual(await listPipelines(root), ['a', 'b'])
  for (const name of ['a', 'b', 'pipelines/a.yaml', join(root, 'pipelines/b.yml')]) {
    assert.ok((await loadPipeline(name, options)).pipeline, name)
  }
  await writeFiles(root, { 'pipelines/a.yml': validPipeline })
  await assert.rejects(loadPipeline('a', options), { code: 'CONFIG_INVALID', hint: 'delete one of them' })
})

test('suggests the closest name for an unknown pipeline', async (t) => {
  const root = await makeProject(t, { 'pipelines/jumpcloud.yaml': validPipeline, 'pipelines/okta.yaml': validPipeline })
  await assert.rejects(loadPipeline('jumpclod', { root, mode: 'run' }), {
    code: 'PIPELINE_NOT_FOUND',
    hint: 'did you mean "jumpcloud"? pipelines: jumpcloud, okta',
  })
  await assert.rejects(loadPipeline('./none.yaml', { root, mode: 'run' }), { code: 'PIPELINE_NOT_FOUND' })
  await rm(join(root, 'pipelines'), { recursive: true })
  assert.deepEqual(await listPipelines(root), [])
  await assert.rejects(loadPipeline('an-api', { root, mode: 'run' }), (error) => {
    return error instanceof SluiceError && error.hint === `${join(root, 'pipelines')} has no pipelines`
  })
})

test('rejects a file name that is not usable in object keys', async (t) => {
  const root = await makeProject(t, { ...parts, 'pipelines/x.yaml': validPipeline })
  await rename(join(root, 'pipelines/x.yaml'), join(root, 'pipelines/a b.yaml'))
  const { pipeline, problems } = await loadPipeline('a b', { root, mode: 'run', env: {} })
  assert.equal(pipeline, undefined)
  assert.match(await renderProblems(problems), /"a b" is not a valid pipeline name/)
})

test('interpolates variables and files, with defaults, and only once', async (t) => {
  const {
    source,
    sinks: [sink],
  } = await loadValid(
    t,
    `source:
  type: ../parts/feed.ts
  path: \${env:A}/\${env:NONE:-b}/\${env:EMPTY:-c}/$\${env:A}
  apiKey: \${file:../secrets/key}
  count: \${env:COUNT}
  strict: \${env:STRICT}
  every: \${env:NONE:-10s}
  headers: { authorization: 'Bearer \${file:../secrets/token}' }
sink: { type: ../parts/store.ts, bucket: '\${env:TRICK}' }
`,
    { env: { A: 'a', EMPTY: '', COUNT: '5', STRICT: 'true', TRICK: '${env:A}' } },
    { 'secrets/key': 'k3y-of-the-api\n', 'secrets/token': 't0ken\r\n' },
  )
  assert.deepEqual(source.config, {
    path: 'a/b/c/${env:A}',
    apiKey: 'k3y-of-the-api',
    count: 5,
    strict: true,
    every: 10_000,
    headers: { authorization: 'Bearer t0ken' },
    mode: 'auto',
  })
  assert.equal(sink.config['bucket'], '${env:A}')
  assert.equal(hideSecrets('k3y-of-the-api, t0ken and count 5'), '***, *** and count 5')
})

const withFile = (path: string) => `source: { type: ../parts/feed.ts, path: in, apiKey: '\${file:${path}}' }
sink: { type: ../parts/store.ts, bucket: audit }
`

test(
  'a FIFO, a device, a folder or a large file in ${file:} is a problem, and no run waits for it',
  { skip: process.platform === 'win32', timeout: 10_000 },
  async (t) => {
    const root = await makeProject(t, { ...parts, 'pipelines/x.yaml': '', 'secrets/large': 'x'.repeat(70_000) })
    execFileSync('mkfifo', [join(root, 'secrets/fifo')])
    await symlink('large', join(root, 'secrets/link'))
    for (const [path, problem] of [
      ['../secrets/fifo', /fifo is not a regular file/],
      ['/dev/zero', /\/dev\/zero is not a regular file/],
      ['../secrets', /secrets is a folder/],
      ['../secrets/link', /link has 70000 bytes, but the limit is 65536/],
    ] as const) {
      await writeFile(join(root, 'pipelines/x.yaml'), withFile(path))
      const { pipeline, problems } = await loadPipeline('x', { root, mode: 'run', env: {} })
      assert.equal(pipeline, undefined)
      assert.match(await renderProblems(problems), problem)
    }
  },
)

test('reports an unset variable as an error for run, and as a warning with a placeholder for check and test', async (t) => {
  const yaml = `source:
  type: ../parts/feed.ts
  path: in
  apiKey: \${env:KEY}
  count: \${env:COUNT}
  every: \${env:EVERY}
  field: \${env:FIELD}
  schema: \${env:SCHEMA}
  when: { a: '\${env:A}' }
  page: { type: offset, limit: '\${env:LIMIT}' }
sink: { type: ../parts/store.ts, bucket: audit, roll: { maxBytes: '\${env:SIZE}' } }
`
  const run = await load(t, yaml)
  assert.equal(run.pipeline, undefined)
  assert.deepEqual(new Set(run.problems.map(({ severity }) => severity)), new Set(['error']))
  assert.equal(run.problems.length, 8)
  for (const mode of ['check', 'test'] as const) {
    const {
      problems,
      source,
      sinks: [sink],
    } = await loadValid(t, yaml, { mode })
    assert.deepEqual(
      problems.map(({ severity }) => severity),
      Array.from({ length: 8 }, () => 'warning'),
    )
    assert.equal(source.config['count'], 1)
    assert.equal(source.config['every'], 300_000)
    assert.deepEqual(source.config['page'], { type: 'offset', limit: 1, step: 1000 })
    assert.deepEqual(sink.config['roll'], { maxBytes: 134_217_728 })
  }
})

test('--set changes values and list entries, and creates missing maps', async (t) => {
  const {
    source,
    sinks: [sink],
    transforms,
    limits,
  } = await loadValid(
    t,
    `${validPipeline}transforms:
  - { type: dedup, key: id }
`,
    {
      set: [
        'sink.bucket=other',
        'sink.roll.maxBytes=1MiB',
        'transforms[0].missing=pass',
        'source.path=[a, b]',
        'limits.maxDepth=9',
        'source.name=${env:N}',
      ],
      env: { N: 'abc' },
    },
  )
  assert.equal(sink.config['bucket'], 'other')
  assert.deepEqual(sink.config['roll'], { maxBytes: 1_048_576 })
  assert.equal(transforms[0]?.config['missing'], 'pass')
  assert.deepEqual(source.config['path'], ['a', 'b'])
  assert.equal(source.config['name'], 'abc')
  assert.equal(limits.maxDepth, 9)
})

test('replaces the source without checking the original one', async (t) => {
  const yaml = validPipeline.replace('path: in', 'path: ${env:NOT_SET}')
  const source = { type: '../parts/feed.ts', config: { path: ['x: y', '#z'] } }
  const pipeline = await loadValid(t, yaml, { source })
  assert.deepEqual(pipeline.source.config['path'], ['x: y', '#z'])

  const wrong = await load(t, yaml, { source: { ...source, config: { pth: 'a' } } })
  assert.equal(
    await renderProblems(wrong.problems),
    `../parts/feed.ts source:2:1 error: unknown key "pth" in source ../parts/feed.ts
    2 | pth: a
      | ^^^
   did you mean "path"? known keys: path, every, apiKey, mode, level, count, ratio, strict, name, tags, headers, field, ...
`,
  )
})

test('masks secrets in problems, even if the file has mistakes', async (t) => {
  const { problems } = await load(
    t,
    `source: { type: ../parts/feed.ts, path: in, apiKey: "\${env:KEY}", mode: "\${env:KEY}" }
sink: { type: ../parts/store.ts, bucket: audit }
`,
    { env: { KEY: 'hunter22' } },
  )
  const text = await renderProblems(problems)
  assert.match(text, /but is "\*{8}"/)
  assert.doesNotMatch(text, /hunter22/)
})

test('rejects a file that is too large or not UTF-8', async (t) => {
  const large = await load(t, `${validPipeline}description: ${'a'.repeat(256 * 1024)}\n`)
  assert.match(
    await renderProblems(large.problems),
    /^pipelines\/x.yaml:1:1 error: the file has \d+ bytes, but the limit is 262144\n$/,
  )
  const root = await makeProject(t, parts)
  await writeFiles(root, { 'pipelines/x.yaml': Buffer.from([0x61, 0x3a, 0x20, 0xff]) })
  const { problems } = await loadPipeline('x', { root, mode: 'run', env: {} })
  assert.match(await renderProblems(problems), /the file is not UTF-8/)
})

test('reports a hostile key as an ordinary unknown key', async (t) => {
  const { problems } = await load(t, `${validPipeline}  __proto__: { polluted: true }\n  constructor: 1\n`)
  const text = await renderProblems(problems)
  assert.match(text, /unknown key "__proto__"/)
  assert.match(text, /unknown key "constructor"/)
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
})

function stagesOf({ source, transforms, sinks, rejects }: CheckedPipeline): string[] {
  return [source, ...transforms, ...sinks, rejects].flatMap((one) => (one === undefined ? [] : [one.stage]))
}
