import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Check } from 'typebox/value'
import { parse } from 'yaml'
import { builtIns } from '../../src/registry.ts'
import { completeAnswer, componentsAnswer, describeAnswer } from '../../src/ui/workbench/api.ts'
import type {
  CompleteAnswer,
  ComponentsAnswer,
  DescribeAnswer,
  EditedText,
  SampleAnswer,
  TestsAnswer,
} from '../../src/ui/workbench/api.ts'
import { openProject } from '../support/cli-project.ts'
import { startUi } from './ui-process.ts'

const PIPELINE = `source: { type: file, path: in }
transforms:
  - type: redact
  - type: filter
    drop: { kind: noise }
  - type: ../transforms/tag.ts
sink: { type: file, path: out }
`

const TAG = `import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'x', fields: {}, create: () => (record) => record.set('tag', 'TAG') })
`

const SAMPLES = [
  '{"id":1,"password":"hunter2","at":"2024-03-04T18:01:26Z"}',
  '{"id":2,"kind":"noise"}',
  '{"id":3,"big":12345678901234567890,"text":"a: #b\\n\\u001b[31m"}',
  '{"id":',
  '[1]',
  '{"id":4,"long":"' + 'x'.repeat(200) + '","ﬂat":{"a":[1,2,{"b":null}]}}',
].join('\n')

test('a test is made of samples, with what the pipeline makes of them, and passes', async (t) => {
  const { ask } = await open(t)
  const { sample } = await ask<SampleAnswer>('/pipelines/p/samples', { pasted: SAMPLES })
  const records = [0, 1, 2, 3, 4, 5]
  const added = await ask<EditedText>('/pipelines/p/add-test', { text: PIPELINE, sample, records, name: 'new: "it"' })
  assert.ok(added.text.startsWith(PIPELINE.trimEnd()), added.text)
  assert.match(added.text.split('\n')[added.line - 1], /^tests:$/)
  assert.match(added.text, /password: hunter2/)
  assert.match(added.text, /password: '\[redacted\]'/)
  assert.match(added.text, /dropped:\n {8}filter: 1/)
  const { tests } = await ask<TestsAnswer>('/pipelines/p/tests', { text: added.text })
  assert.deepEqual(
    tests.map(({ name, isPassed, mistake }) => [name, isPassed, mistake]),
    [['new: "it"', true, undefined]],
  )
  const more = await ask<EditedText>('/pipelines/p/add-test', { text: added.text, sample, records: [1], name: 'two' })
  assert.ok(more.text.startsWith(added.text.trimEnd()), more.text)
  assert.equal(more.text.split('\n')[more.line - 1], '  - name: two')
})

test('a test is not made if its name exists, the text is wrong, a record is not there, or it would not pass', async (t) => {
  const { ask, refused } = await open(t)
  const { sample } = await ask<SampleAnswer>('/pipelines/p/samples', { pasted: SAMPLES })
  const request = { text: PIPELINE, sample, records: [0], name: 'one' }
  const { text } = await ask<EditedText>('/pipelines/p/add-test', request)
  await refused('/pipelines/p/add-test', { ...request, text }, 422, /there is a test \\"one\\" already/)
  await refused('/pipelines/p/add-test', { ...request, text: text.replace('redact', 'redcat') }, 422, /redcat/)
  await refused('/pipelines/p/add-test', { ...request, records: [6] }, 422, /no record 6/)
  await refused('/pipelines/p/add-test', { ...request, sample: 'x' }, 410, /not kept/)
  await refused(
    '/pipelines/p/add-test',
    { ...request, text: PIPELINE.replace('tag.ts', 'never.ts') },
    422,
    /would not pass/,
  )
})

test('a component is added to what is typed', async (t) => {
  const { ask, refused } = await open(t)
  const request = { text: PIPELINE, kind: 'transform', type: 'ocsf', after: 0 }
  const added = await ask<EditedText>('/pipelines/p/add-component', request)
  assert.deepEqual(added, {
    text: PIPELINE.replace('transforms:\n', 'transforms:\n  - type: ocsf\n    vendor: okta\n'),
    line: 3,
  })
  await refused('/pipelines/p/add-component', { ...request, kind: 'sink', type: 's3' }, 422, /has a sink already/)
})

test('what may be written at a place, what is there, and all components, are in the API', async (t) => {
  const { ask } = await open(t)
  const offset = PIPELINE.indexOf('redact') + 1
  const completed = await ask<CompleteAnswer>('/pipelines/p/complete', { text: PIPELINE, offset })
  assert.ok(Check(completeAnswer, completed))
  assert.equal(PIPELINE.slice(completed.from, completed.to), 'redact')
  assert.ok(completed.options.some(({ insert, kind }) => insert === 'dedup' && kind === 'component'))
  const described = await ask<DescribeAnswer>('/pipelines/p/describe', { text: PIPELINE, offset })
  assert.ok(Check(describeAnswer, described))
  assert.equal(described.title, 'redact (transform)')
  const { components, ...rest } = await ask<ComponentsAnswer>('/components')
  assert.ok(Check(componentsAnswer, { components, ...rest }))
  assert.deepEqual(
    components.map(({ kind, type }) => [kind, type]),
    builtIns.map(({ kind, type }) => [kind, type]),
  )
  for (const { examples } of components) for (const { yaml } of examples) parse(yaml)
})

const MASK = `import { writeFileSync } from 'node:fs'
import { defineTransform, Type } from 'sluice'
writeFileSync(new URL('pid', import.meta.url), String(process.pid))
export default defineTransform({
  summary: 'Masks values.',
  fields: {
    mode: Type.Enum(['stars', 'hash'], { default: 'stars', description: 'How a value is masked.' }),
    keep: Type.Object({ first: Type.Integer({ description: 'Characters that stay.' }) }, { description: 'What stays.' }),
  },
  create: () => (record) => record,
})
`

/** A transform with these options, in place of that of the other texts. */
function withMask(options: string): string {
  return PIPELINE.replace('  - type: ../transforms/tag.ts\n', `  - type: ../transforms/mask.ts\n${options}`)
}

test('with --edit the options of a custom component are known, from its file as it is now', async (t) => {
  const { ask, askAt, workspace, pid } = await open(t)
  await workspace.write('transforms/mask.ts', MASK)
  const keys = await askAt<CompleteAnswer>('complete', withMask('    |\n'))
  assert.deepEqual(keys.options.map(({ insert, detail, about }) => [insert, detail, about]).slice(0, 2), [
    ['keep:\n      ', 'map, required', 'What stays.'],
    ['mode: ', 'stars, hash, default stars', 'How a value is masked.'],
  ])
  assert.ok(keys.options.some(({ label }) => label === 'onError'))
  assert.notEqual(await readFile(workspace.path('transforms/pid'), 'utf8'), String(pid))
  const nested = await askAt<CompleteAnswer>('complete', withMask('    keep:\n      |\n'))
  assert.deepEqual(
    nested.options.map(({ insert }) => insert),
    ['first: '],
  )
  const words = await askAt<CompleteAnswer>('complete', withMask('    mode: |\n'))
  assert.deepEqual(
    words.options.map(({ insert }) => insert),
    ['stars', 'hash'],
  )
  const key = await askAt<DescribeAnswer>('describe', withMask('    keep: { fi|rst: 1 }\n'))
  assert.deepEqual([key.title, key.about], ['first: integer, required', 'Characters that stay.'])
  const text = withMask('')
  const type = await ask<DescribeAnswer>('/pipelines/p/describe', { text, offset: text.indexOf('mask.ts') })
  assert.deepEqual([type.title, type.about], ['../transforms/mask.ts (transform)', 'Masks values.'])
  await workspace.write('transforms/mask.ts', MASK.replaceAll('mode', 'way'))
  const changed = await askAt<CompleteAnswer>('complete', withMask('    |\n'))
  assert.ok(changed.options.some(({ label }) => label === 'way'))
})

test('a custom component that does not load, or is none, costs its own options only', async (t) => {
  const { askAt, workspace } = await open(t)
  const noFields = "export default { kind: 'sink', fields: { a: null }, create() {} }"
  for (const code of ["throw new Error('x')", 'process.exit(3)', 'for (;;);', noFields, '{']) {
    await workspace.write('transforms/own.ts', `${code}\n`)
    const { options } = await askAt<CompleteAnswer>('complete', 'rejects:\n  type: ../transforms/own.ts\n  |\n')
    assert.deepEqual(
      options.map(({ label }) => label),
      ['local', 'unparsed'],
      code,
    )
  }
  await workspace.write('transforms/mask.ts', MASK)
  const { about } = await askAt<DescribeAnswer>('describe', withMask('    mo|de: stars\n'))
  assert.equal(about, 'How a value is masked.')
})

test('without --edit completion and documentation load no custom component', async (t) => {
  const { askAt, workspace } = await open(t, [])
  await workspace.write('transforms/mask.ts', MASK)
  const { options } = await askAt<CompleteAnswer>('complete', withMask('    |\n'))
  assert.deepEqual(options, [])
  const { about } = await askAt<DescribeAnswer>('describe', withMask('    mo|de: stars\n'))
  assert.equal(about, undefined)
  const builtIn = await askAt<DescribeAnswer>('describe', PIPELINE.replace('drop', 'dr|op'))
  assert.ok(builtIn.about)
  await assert.rejects(readFile(workspace.path('transforms/pid')), { code: 'ENOENT' })
})

test('without --edit nothing that is typed is taken', async (t) => {
  const { refused } = await open(t, [])
  const request = { text: PIPELINE, kind: 'transform', type: 'ocsf' }
  await refused('/pipelines/p/add-component', request, 403, /--edit/)
})

async function open(t: TestContext, args = ['--edit']) {
  const never = TAG.replace("'TAG'", 'Math.random()')
  const workspace = await openProject(t, {
    'pipelines/p.yaml': PIPELINE,
    'transforms/tag.ts': TAG,
    'transforms/never.ts': never,
  })
  const ui = await startUi(workspace, args)
  const headers = { cookie: await ui.enter(), origin: ui.url.origin }
  const send = (path: string, body: unknown) =>
    ui.ask({ method: body === undefined ? 'GET' : 'POST', path: `/api/v1${path}`, headers, body })
  const ask = async <Answer>(path: string, body?: unknown): Promise<Answer> => {
    const { status, text } = await send(path, body)
    if (status !== 200) throw new Error(`${status} ${text}`)
    return JSON.parse(text)
  }
  return {
    workspace,
    pid: ui.pid,
    ask,
    /** Asks about the place of `|` in a text. */
    askAt: <Answer>(what: 'complete' | 'describe', text: string): Promise<Answer> =>
      ask(`/pipelines/p/${what}`, { text: text.replace('|', ''), offset: text.indexOf('|') }),
    refused: async (path: string, body: unknown, expected: number, message: RegExp): Promise<void> => {
      const { status, text } = await send(path, body)
      assert.equal(status, expected, text)
      assert.match(text, message)
    },
  }
}
