import assert from 'node:assert/strict'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { recordsIn } from '../shards/support.ts'
import { openProject } from '../support/cli-project.ts'
import type { Workspace } from '../support/command.ts'

/** Programs are files without an ending: the project's own code is TypeScript. */
const ANSWER = `const answer = (line) => JSON.stringify({ ...JSON.parse(line), seen: true })
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (line) => require('node:fs').writeSync(1, answer(line) + '\\n'))
`

interface Parts {
  readonly program: string
  readonly options?: string
  readonly transforms?: string
  readonly sink?: string
  readonly files?: { readonly [path: string]: string }
}

async function open(
  t: TestContext,
  { program, options = '', transforms = '', sink, files }: Parts,
): Promise<Workspace> {
  return openProject(t, {
    'pipelines/p.yaml': `
source: { type: file, path: in.ndjson }
transforms:
  ${transforms}
  - type: exec
    command: ['${process.execPath}', program.cjs]
    ${options}
sink: ${sink ?? '{ type: file, path: out }'}
`,
    'pipelines/program.cjs': program,
    'in.ndjson': lines(100),
    ...files,
  })
}

function lines(count: number, from = 0): string {
  return Array.from({ length: count }, (_, at) => `{"id":${from + at},"at":"2026-01-01T00:00:00Z"}\n`).join('')
}

test('a crash commits nothing of the batch, and the next run writes every record once', async (t) => {
  const workspace = await open(t, {
    program: ANSWER.replace('const answer', `process.on('exit', () => {})\nlet count = 0\nconst answer`).replace(
      'JSON.stringify',
      '++count === 60 ? process.exit(9) : JSON.stringify',
    ),
  })
  const { code, stderr } = await workspace.sluice(['run', 'p'])
  assert.equal(code, 1)
  assert.match(stderr, /PROGRAM_FAILED: stage exec: .* ended with status 9 after 59 lines for 100 records/)
  assert.deepEqual(await recordsIn(workspace.path('out')), [])
  await workspace.write('pipelines/program.cjs', ANSWER)
  const report = await workspace.report(['run', 'p'])
  assert.deepEqual([report.read, report.written], [100, 100])
  const written = await recordsIn(workspace.path('out'))
  assert.equal(new Set(written).size, 100)
  assert.ok(written.every((line) => line.endsWith('"seen":true}')))
})

test('the program gets no variable but those that are given, and its stderr is logged without secrets', async (t) => {
  const program = `
    for (const [name, value] of Object.entries(process.env)) console.error(name + '=' + value)
    for (let n = 0; n < 300; n++) console.error('line ' + n + ' ' + 'x'.repeat(n === 0 ? 5000 : 1))
    process.stdin.pipe(process.stdout)`
  const workspace = await open(t, { program, options: "env: { TOKEN: '${env:EXEC_TOKEN}', MODE: plain }" })
  const env = { EXEC_TOKEN: 'top-secret-0123456789', AWS_SECRET_ACCESS_KEY: 'other-secret-0123456789' }
  const { code, stderr } = await workspace.sluice(['run', 'p'], { env })
  assert.equal(code, 0)
  assert.match(stderr, /exec: MODE=plain/)
  assert.match(stderr, /exec: TOKEN=(?!top)/)
  assert.match(stderr, /exec: PATH=/)
  // Node.js itself passes the variable of coverage on.
  assert.doesNotMatch(stderr, /secret-0123456789|AWS_|NODE_(?!V8_COVERAGE)/)
  assert.match(stderr, /exec: further lines of its stderr are not logged/)
  const logged = stderr.split('\n').filter((line) => line.includes(' exec: '))
  assert.ok(logged.length <= 101, String(logged.length))
  assert.ok(logged.every((line) => line.length < 600))
})

test('--workers runs a program in each thread, with the same result', async (t) => {
  for (const options of ['process: run', 'process: batch']) {
    const workspace = await open(t, { program: ANSWER, options })
    for (const name of ['a', 'b', 'c']) await workspace.write(`in/${name}.ndjson`, lines(100, 100 * name.charCodeAt(0)))
    const report = await workspace.report(['backfill', 'p', 'in/*.ndjson', '--workers', '2', '--shard-size', '2KiB'])
    assert.deepEqual([report.read, report.written], [300, 300])
    const written = await recordsIn(workspace.path('out'))
    assert.equal(new Set(written).size, 300)
    assert.ok(written.every((line) => line.endsWith('"seen":true}')))
  }
})

test('before dedup a change of the program is logged; after dedup lines: any is refused', async (t) => {
  const workspace = await openProject(t, {
    'pipelines/p.yaml': `
source: { type: file, path: in.ndjson }
transforms:
  - type: exec
    command: ['${process.execPath}', program.cjs]
  - type: dedup
    key: [id]
sink: { type: file, path: out }
`,
    'pipelines/q.yaml': `
source: { type: file, path: in.ndjson }
transforms:
  - type: dedup
    key: [id]
  - type: exec
    command: [cat]
    lines: any
sink: { type: file, path: out }
`,
    'pipelines/program.cjs': ANSWER,
    'in.ndjson': lines(10),
  })
  assert.doesNotMatch((await workspace.sluice(['run', 'p'])).stderr, /code of exec/)
  assert.doesNotMatch((await workspace.sluice(['run', 'p'])).stderr, /code of exec/)
  await workspace.write('pipelines/program.cjs', ANSWER.replace('seen', 'read'))
  assert.match((await workspace.sluice(['run', 'p'])).stderr, /the code of exec has changed/)
  const { stdout } = await workspace.sluice(['check', 'q', '--guarantees'])
  assert.match(
    stdout.replaceAll(/\s+/g, ' '),
    /exec runs a program, .* exec is a program that adds and removes records/,
  )
  const { code, stderr } = await workspace.sluice(['run', 'q'])
  assert.equal(code, 2)
  assert.match(stderr, /exec is after dedup, but its output is not tied to its input\n.*move dedup after exec/)
})

test('the tests of a pipeline and preview run the program', async (t) => {
  const workspace = await open(t, {
    program: ANSWER,
    options: 'process: run',
    sink: `{ type: stdout }
tests:
  - name: marks records
    input: [{ id: 1 }]
    expect: { output: [{ id: 1, seen: true }] }`,
  })
  assert.equal((await workspace.sluice(['test', 'p'])).code, 0)
  const { stdout } = await workspace.sluice(['preview', 'p', 'in.ndjson', '--limit', '2'])
  assert.match(stdout, /seen/)
})

test('a program ends when the process that started it is killed', async (t) => {
  const program = `
    require('node:fs').writeFileSync('pid', String(process.pid))
    process.stdin.on('end', () => require('node:fs').writeFileSync('ended', 'yes')).resume()`
  const workspace = await open(t, { program, options: 'process: run' })
  const appeared = async (name: string): Promise<void> => {
    const path = workspace.path('pipelines')
    const watcher = watch(path)
    try {
      while ((await readFile(`${path}/${name}`, 'utf8').catch(() => '')) === '') await once(watcher, 'change')
    } finally {
      watcher.close()
    }
  }
  const running = workspace.start(['run', 'p'])
  await appeared('pid')
  running.kill('SIGKILL')
  await running.ended
  await appeared('ended')
})
