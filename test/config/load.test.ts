import assert from 'node:assert/strict'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { listPipelines, loadPipeline } from '../../src/config/load.ts'
import type { LoadOptions } from '../../src/config/load.ts'
import type { CheckedPipeline } from '../../src/config/pipeline.ts'
import { renderProblems } from '../../src/config/render.ts'
import { SluiceError } from '../../src/errors.ts'
import { makeProject, parts, sound, writeFiles } from '../support/config-project.ts'

async function load(
  t: TestContext,
  yaml: string,
  options: Partial<LoadOptions> = {},
  more: { [path: string]: string } = {},
) {
  const root = await makeProject(t, { ...parts, ...more, 'pipelines/x.yaml': yaml })
  return { root, ...(await loadPipeline('x', { root, env: {}, mode: 'run', ...options })) }
}

async function loadSound(
  t: TestContext,
  yaml: string,
  options: Partial<LoadOptions> = {},
  more: { [path: string]: string } = {},
) {
  const { pipeline, problems, root } = await load(t, yaml, options, more)
  assert.ok(pipeline, renderProblems(problems))
  return { ...pipeline, root, problems }
}

test('a sound pipeline comes out with defaults, milliseconds, bytes and absolute files', async (t) => {
  const pipeline = await loadSound(
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
  assert.deepEqual(pipeline.sink.config, { bucket: 'audit', key: 'audit', roll: { maxBytes: 134_217_728 } })
  assert.deepEqual(stagesOf(pipeline), ['feed', 'pass', 'dedup', 'pass-2', 'store', 'store-2'])
  assert.deepEqual(pipeline.tests, [
    {
      name: 'keeps it',
      env: {},
      input: [{ at: '2024-03-04T18:01:26Z', ok: 'yes', env: '${env:X}' }, 'not json'],
      expect: { duplicates: 0 },
      line: 25,
    },
  ])
})

test('a pipeline is found by its name, by its path, and with either ending', async (t) => {
  const root = await makeProject(t, {
    ...parts,
    'pipelines/a.yaml': sound,
    'pipelines/b.yml': sound,
    'pipelines/notes.txt': '',
  })
  const options: LoadOptions = { root, env: {}, mode: 'run' }
  assert.deepEqual(await listPipelines(root), ['a', 'b'])
  for (const name of ['a', 'b', 'pipelines/a.yaml', join(root, 'pipelines/b.yml')]) {
    assert.ok((await loadPipeline(name, options)).pipeline, name)
  }
  await writeFiles(root, { 'pipelines/a.yml': sound })
  await assert.rejects(loadPipeline('a', options), { code: 'CONFIG_INVALID', hint: 'keep one of them' })
})

test('an unknown name is answered with the nearest one', async (t) => {
  const root = await makeProject(t, { 'pipelines/jumpcloud.yaml': sound, 'pipelines/okta.yaml': sound })
  await assert.rejects(loadPipeline('jumpclod', { root, mode: 'run' }), {
    code: 'PIPELINE_NOT_FOUND',
    hint: 'did you mean "jumpcloud"? pipelines: jumpcloud, okta',
  })
  await assert.rejects(loadPipeline('./none.yaml', { root, mode: 'run' }), { code: 'PIPELINE_NOT_FOUND' })
  await rm(join(root, 'pipelines'), { recursive: true })
  assert.deepEqual(await listPipelines(root), [])
  await assert.rejects(loadPipeline('jumpcloud', { root, mode: 'run' }), (error) => {
    return error instanceof SluiceError && error.hint === `there is none in ${join(root, 'pipelines')}`
  })
})

test('a file name that cannot be a part of an object key is refused', async (t) => {
  const root = await makeProject(t, { ...parts, 'pipelines/x.yaml': sound })
  await rename(join(root, 'pipelines/x.yaml'), join(root, 'pipelines/a b.yaml'))
  const { pipeline, problems } = await loadPipeline('a b', { root, mode: 'run', env: {} })
  assert.equal(pipeline, undefined)
  assert.match(renderProblems(problems), /"a b" cannot name a pipeline/)
})

test('variables and files are put into text, with defaults, and only once', async (t) => {
  const { source, sink, secrets } = await loadSound(
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
  assert.deepEqual([...secrets].toSorted(), ['k3y-of-the-api', 't0ken'])
})

test('a variable that is not set is an error for a run, and a warning with a stand-in for check and test', async (t) => {
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
    const { problems, source, sink } = await loadSound(t, yaml, { mode })
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

test('--set changes values, list entries and maps that are not there yet', async (t) => {
  const { source, sink, transforms, limits } = await loadSound(
    t,
    `${sound}transforms:
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

test('another source takes the place of the own one, which is not looked at', async (t) => {
  const yaml = sound.replace('path: in', 'path: ${env:NOT_SET}')
  const source = { type: '../parts/feed.ts', config: { path: ['x: y', '#z'] } }
  const pipeline = await loadSound(t, yaml, { source })
  assert.deepEqual(pipeline.source.config['path'], ['x: y', '#z'])

  const wrong = await load(t, yaml, { source: { ...source, config: { pth: 'a' } } })
  assert.equal(
    renderProblems(wrong.problems),
    `../parts/feed.ts source:2:1 error: unknown key "pth" in source ../parts/feed.ts
    2 | pth: a
      | ^^^
   did you mean "path"? known keys: path, every, apiKey, mode, level, count, ratio, strict, name, tags, headers, field, ...
`,
  )
})

test('secrets are collected, also when the file has mistakes, and masked in what is shown', async (t) => {
  const { problems } = await load(
    t,
    `source: { type: ../parts/feed.ts, path: in, apiKey: "\${env:KEY}", mode: "\${env:KEY}" }
sink: { type: ../parts/store.ts, bucket: audit }
`,
    { env: { KEY: 'hunter22' } },
  )
  const text = renderProblems(problems)
  assert.match(text, /but is "\*{8}"/)
  assert.doesNotMatch(text, /hunter22/)
})

test('a file that is too large, or not UTF-8, is refused', async (t) => {
  const large = await load(t, `${sound}description: ${'a'.repeat(256 * 1024)}\n`)
  assert.match(
    renderProblems(large.problems),
    /^pipelines\/x.yaml:1:1 error: the file has \d+ bytes; a pipeline file has 262144 at most\n$/,
  )
  const root = await makeProject(t, parts)
  await writeFiles(root, { 'pipelines/x.yaml': Buffer.from([0x61, 0x3a, 0x20, 0xff]) })
  const { problems } = await loadPipeline('x', { root, mode: 'run', env: {} })
  assert.match(renderProblems(problems), /the file is not UTF-8/)
})

test('a hostile key stays an ordinary, unknown key', async (t) => {
  const { problems } = await load(t, `${sound}  __proto__: { polluted: true }\n  constructor: 1\n`)
  const text = renderProblems(problems)
  assert.match(text, /unknown key "__proto__"/)
  assert.match(text, /unknown key "constructor"/)
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
})

function stagesOf({ source, transforms, sink, rejects }: CheckedPipeline): string[] {
  return [source, ...transforms, sink, rejects].flatMap((one) => (one === undefined ? [] : [one.stage]))
}
