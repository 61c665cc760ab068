import assert from 'node:assert/strict'
import { readFile, stat, symlink, writeFile, chmod } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Check } from 'typebox/value'
import { pipelineFile, sampleAnswer } from '../../src/ui/workbench/api.ts'
import type { CheckAnswer, PipelineFile, SampleAnswer, TestsAnswer, TryAnswer } from '../../src/ui/workbench/api.ts'
import { openProject } from '../support/cli-project.ts'
import type { Workspace } from '../support/command.ts'
import { startUi } from './ui-process.ts'

const PIPELINE = `source: { type: file, path: in.ndjson }
transforms:
  - type: filter
    drop: { kind: debug }
  - type: redact
    rules:
      - { path: email, action: drop }
      - { path: mail, action: drop }
  - type: dedup
    key: id
sink: { type: file, path: out }
`

const SAMPLES = `{"id":1,"kind":"login","email":"ann@example.com"}
{"id":2,"kind":"debug","email":"bob@example.com"}

{"id":1,"kind":"login","email":"ann@example.com"}
not json
`

async function open(t: TestContext, files: { readonly [path: string]: string } = {}, args = ['--edit']) {
  const workspace = await openProject(t, { 'pipelines/p.yaml': PIPELINE, 'in.ndjson': SAMPLES, ...files })
  const ui = await startUi(workspace, args)
  const cookie = await ui.enter()
  const send = (method: string, path: string, body?: object) =>
    ui.ask({ method, path: `/api/v1/pipelines/${path}`, headers: { cookie }, ...(body && { body }) })
  const ask = async <Answer>(path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<Answer> => {
    const { status, text } = await send(method, path, body)
    if (status !== 200) throw new Error(`${status} ${text}`)
    return JSON.parse(text)
  }
  return { workspace, send, ask }
}

test('the way of each sample through the stages', async (t) => {
  const { ask } = await open(t)
  const sample = await ask<SampleAnswer>('p/samples', { pasted: SAMPLES })
  assert.ok(Check(sampleAnswer, sample))
  const tried = await ask<TryAnswer>('p/try', { sample: sample.sample, from: 0, count: 50 })
  assert.deepEqual(tried.totals, { records: 4, written: 1, dropped: 1, duplicate: 1, rejected: 1 })
  assert.deepEqual(
    tried.records.map(({ number, line, steps }) => [
      number,
      line,
      steps.map(({ stage, effect }) => `${stage} ${effect}`),
    ]),
    [
      [0, 1, ['filter same', 'redact changed', 'dedup same']],
      [1, 2, ['filter dropped']],
      [2, 4, ['filter same', 'redact changed', 'dedup duplicate']],
      [3, 5, ['source rejected']],
    ],
  )
  const [first, second, , last] = tried.records
  assert.equal(second?.steps[0]?.detail, 'filter')
  assert.match(last?.steps[0]?.detail ?? '', /^INVALID_JSON: /)
  // What redaction removes is not sent.
  assert.ok(!JSON.stringify(tried).includes('example.com'))
  assert.deepEqual(
    first?.steps[1]?.diff?.filter((line) => 'sign' in line && line.sign !== ' '),
    [{ sign: '-', text: '  "email": "(hidden)"' }],
  )
  assert.deepEqual(first?.after, [{ lines: ['{', '  "id": 1,', '  "kind": "login"', '}'], to: [] }])
  assert.deepEqual(
    tried.stages.map(({ stage, recordsIn, changed, dropped, duplicate }) => [
      stage,
      recordsIn,
      changed,
      dropped,
      duplicate,
    ]),
    [
      ['filter', 3, 0, 1, 0],
      ['redact', 2, 2, 0, 0],
      ['dedup', 2, 0, 0, 1],
    ],
  )
  assert.deepEqual(
    tried.stages[1]?.rules.map(({ isUnused }) => isUnused),
    [false, true],
  )
  const shown = await ask<TryAnswer>('p/try', { sample: sample.sample, from: 2, count: 1, values: true })
  assert.ok(shown.showsValues && JSON.stringify(shown).includes('ann@example.com'))
  // The records before the shown ones count: the third is a duplicate.
  assert.deepEqual(
    shown.records.map(({ number, steps }) => [number, steps.at(-1)?.effect]),
    [[2, 'duplicate']],
  )
})

test('a text is tried in place of the file, and its mistakes are those of sluice check', async (t) => {
  const { ask, workspace } = await open(t)
  const text = PIPELINE.replace('path: email', 'path: kind')
  const { sample } = await ask<SampleAnswer>('p/samples', { pasted: SAMPLES })
  const tried = await ask<TryAnswer>('p/try', { text, sample, from: 0, count: 1 })
  assert.deepEqual(
    tried.records[0]?.steps[1]?.diff?.filter((line) => 'sign' in line && line.sign !== ' '),
    [{ sign: '-', text: '  "kind": "(hidden)",' }],
  )
  assert.deepEqual(
    tried.stages.map(({ line }) => line),
    [3, 5, 9],
  )
  const wrong = PIPELINE.replace('key: id', 'kye: id')
  const { problems } = await ask<CheckAnswer>('p/check', { text: wrong })
  await workspace.write('pipelines/wrong.yaml', wrong)
  const checked = JSON.parse((await workspace.sluice(['check', 'wrong', '--json'])).stdout)
  assert.deepEqual(problems.map(place), checked.problems.map(place))
  assert.ok(problems.length > 0)
  const untried = await ask<TryAnswer>('p/try', { text: wrong, sample, from: 0, count: 1 })
  assert.deepEqual([untried.totals, untried.records], [undefined, []])
  // Mistakes beside the transforms do not matter for them.
  const noSink = await ask<TryAnswer>('p/try', {
    text: PIPELINE.replace('path: out', 'paht: out'),
    sample,
    from: 0,
    count: 1,
  })
  assert.equal(noSink.totals?.records, 4)
})

test('a diff has what is near a change, and says how much is left out', async (t) => {
  const { ask } = await open(t)
  const members = Array.from({ length: 20 }, (_, at) => [`m${at}`, at])
  const record = { ...Object.fromEntries(members), email: 'x', ...Object.fromEntries([['z', 1]]) }
  const { sample } = await ask<SampleAnswer>('p/samples', { pasted: JSON.stringify(record) })
  const { records } = await ask<TryAnswer>('p/try', { sample, from: 0, count: 1 })
  assert.deepEqual(records[0]?.steps[1]?.diff, [
    { lines: 18 },
    ...[17, 18, 19].map((at) => ({ sign: ' ', text: `  "m${at}": ${at},` })),
    { sign: '-', text: '  "email": "(hidden)",' },
    { sign: ' ', text: '  "z": 1' },
    { sign: ' ', text: '}' },
  ])
})

test('samples come from a file, from the source, and from the input of a test', async (t) => {
  const { ask } = await open(t, {
    'other/more.json': '{"events":[{"id":7},{"id":8},{"id":9}]}',
    'pipelines/p.yaml': `${PIPELINE}tests:
  - name: one
    input: [{ id: 5 }]
  - name: all of it
    now: 2026-01-01T00:00:00Z
    files: [{ name: in.ndjson, lines: [{ id: 6 }, { id: 7 }] }]
`,
  })
  const take = async (body: object) => {
    const { sample, records, isCut } = await ask<SampleAnswer>('p/samples', body)
    const { records: shown } = await ask<TryAnswer>('p/try', { sample, from: 0, count: 9 })
    return [records, isCut, shown.map(({ before = [] }) => before.join('').replaceAll(' ', ''))]
  }
  assert.deepEqual(await take({ file: 'other/more.json', records: 'events[*]', first: 2 }), [
    2,
    true,
    ['{"id":7}', '{"id":8}'],
  ])
  const [records, isCut] = await take({ source: true, first: 2 })
  assert.deepEqual([records, isCut], [2, true])
  assert.deepEqual((await take({ recording: 'one', first: 10 }))[0], 1)
  assert.deepEqual((await take({ recording: 'all of it', first: 10 }))[0], 2)
  await assert.rejects(take({ recording: 'none', first: 10 }), /422 .*has no test/)
})

test('tests of a text run', async (t) => {
  const { ask } = await open(t)
  const text = `${PIPELINE}tests:
  - name: right
    input: [{ id: 1, email: x }]
    expect: { output: [{ id: 1 }] }
  - name: wrong
    input: [{ id: 1 }]
    expect: { output: [] }
`
  const { tests } = await ask<TestsAnswer>('p/tests', { text })
  assert.deepEqual(
    tests.map(({ name, isPassed, line }) => [name, isPassed, line]),
    [
      ['right', true, 13],
      ['wrong', false, 16],
    ],
  )
  assert.match(tests[1]?.differences[0] ?? '', /output differs/)
  assert.equal((await ask<TestsAnswer>('p/tests', {})).tests.length, 0)
})

test('a text is saved if it is valid, and if the file is still what was opened', async (t) => {
  const { ask, send, workspace } = await open(t)
  const path = workspace.path('pipelines/p.yaml')
  await chmod(path, 0o640)
  const opened = await ask<PipelineFile>('p/file')
  assert.ok(Check(pipelineFile, opened))
  assert.deepEqual([opened.path, opened.text], ['pipelines/p.yaml', PIPELINE])
  const text = `# with "quotes", \u00e4 and \u{1f600}\r\n${PIPELINE}`
  const { version } = await ask<PipelineFile>('p/file', { text, version: opened.version }, 'PUT')
  assert.equal(await readFile(path, 'utf8'), text)
  assert.equal((await stat(path)).mode & 0o777, 0o640)
  const invalid = await send('PUT', 'p/file', { text: text.replace('key: id', 'kye: id'), version })
  assert.deepEqual([invalid.status, /CONFIG_INVALID/.test(invalid.text)], [422, true])
  await writeFile(path, `${text}# by another program\n`)
  const late = await send('PUT', 'p/file', { text: PIPELINE, version })
  assert.deepEqual([late.status, /has changed since/.test(late.text)], [409, true])
  assert.equal(await readFile(path, 'utf8'), `${text}# by another program\n`)
})

test('without --edit nothing is changed, and nothing that is typed is loaded', async (t) => {
  const { ask, send } = await open(t, {}, [])
  const { version } = await ask<PipelineFile>('p/file')
  const { sample } = await ask<SampleAnswer>('p/samples', { pasted: SAMPLES })
  const refused = [
    await send('PUT', 'p/file', { text: PIPELINE, version }),
    await send('POST', 'p/check', { text: PIPELINE }),
    await send('POST', 'p/try', { text: PIPELINE, sample, from: 0, count: 1 }),
    await send('POST', 'p/tests', { text: PIPELINE }),
    await send('POST', 'p/samples', { source: true, first: 1 }),
    await send('POST', 'p/samples', { recording: 'x', text: PIPELINE, first: 1 }),
  ]
  assert.deepEqual(
    refused.map(({ status, text }) => [status, text.includes('--edit')]),
    refused.map(() => [403, true]),
  )
  assert.equal((await ask<TryAnswer>('p/try', { sample, from: 0, count: 1 })).totals?.records, 4)
})

test('files outside of the project are not opened, nor links', async (t) => {
  const { send, workspace } = await open(t)
  await linkTo(workspace, 'link.ndjson', '/etc/passwd')
  await linkTo(workspace, 'pipelines/link.yaml', workspace.path('pipelines/p.yaml'))
  await linkTo(workspace, 'folder', '/etc')
  for (const file of [
    '../in.ndjson',
    '/etc/passwd',
    'link.ndjson',
    'folder/passwd',
    'other',
    '',
    'a\0b',
    'pipelines',
  ]) {
    const { status, text } = await send('POST', 'p/samples', { file, first: 1 })
    assert.ok(status === 403 || status === 404, `${file}: ${status} ${text}`)
    assert.ok(!text.includes('root:'))
  }
  for (const name of ['link', '..%2fp', '..%2f..%2fetc%2fpasswd', 'p.yaml', '.%2fp'])
    for (const path of ['file', 'check', 'try']) {
      const body = path === 'check' ? {} : { sample: 'x', from: 0, count: 1 }
      const { status } = await send(
        path === 'file' ? 'GET' : 'POST',
        `${name}/${path}`,
        path === 'file' ? undefined : body,
      )
      assert.ok([403, 404, 410].includes(status), `${name} ${path}: ${status}`)
    }
})

async function linkTo(workspace: Workspace, path: string, target: string): Promise<void> {
  await symlink(target, workspace.path(path))
}

test('a transform that fails says where, and one that never ends is stopped', async (t) => {
  const { ask, send } = await open(t, {
    'fails.js': custom("if (id === 2) throw new Error('two is odd')"),
    'hangs.js': custom('while (id === 2);'),
    'exits.js': custom('if (id === 2) process.exit(3)'),
    'pipelines/exits.yaml': pipeline('exits'),
    'pipelines/fails.yaml': pipeline('fails'),
    'pipelines/hangs.yaml': pipeline('hangs'),
  })
  const { sample } = await ask<SampleAnswer>('fails/samples', { pasted: SAMPLES })
  const failed = await ask<TryAnswer>('fails/try', { sample, from: 0, count: 9 })
  assert.match(failed.failure?.message ?? '', /fails.js:4/)
  assert.equal(failed.records.length, 1)
  const hung = await send('POST', 'hangs/try', { sample, from: 0, count: 9 })
  assert.deepEqual([hung.status, /has not ended within/.test(hung.text)], [422, true])
  const exited = await send('POST', 'exits/try', { sample, from: 0, count: 9 })
  assert.deepEqual([exited.status, /has died: it ended with status 3/.test(exited.text)], [422, true])
  // The next one has a new process.
  assert.equal((await ask<TryAnswer>('p/try', { sample, from: 0, count: 1 })).totals?.records, 4)
})

function place({ line, column, message }: { line: number; column: number; message: string }) {
  return [line, column, message]
}

function custom(body: string): string {
  return `import { defineTransform } from 'sluice'
export default defineTransform({
  type: 'odd', summary: 'Fails.', fields: {},
  create: () => (record) => { const id = record.get('id'); ${body}; return record },
})
`
}

function pipeline(name: string): string {
  return `source: { type: file, path: in.ndjson }\ntransforms: [{ type: ../${name}.js, onError: stop }]\nsink: { type: file, path: out }\n`
}
