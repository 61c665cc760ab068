import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { messages } from '../../src/observe/messages/table.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { openProject } from '../support/cli-project.ts'
import { listen } from '../support/listen.ts'
import { leaksIn } from '../support/leaks.ts'
import { REPOSITORY } from '../support/paths.ts'

type Fields = { readonly [name: string]: unknown }

function parse(stderr: string): Fields[] {
  return stderr
    .trim()
    .split('\n')
    .map((line): Fields => JSON.parse(line))
}

test('built-ins log messages of the table only: a text would have no code of its own', async () => {
  const names = await readdir(`${REPOSITORY}/src`, { recursive: true })
  for (const name of names.filter((one) => one.endsWith('.ts')))
    for (const [call, text = ''] of (await readFile(`${REPOSITORY}/src/${name}`, 'utf8')).matchAll(
      /(?<!#)\bnote(?:\?\.)?\(\s*['`]([^'`]*)['`]/g,
    ))
      assert.ok(text in messages || text === 'text' || text.startsWith('the file was replaced: '), `${name}: ${call}`)
})

test('every message of the table is in the docs, and something writes it', async () => {
  const page = await readFile(`${REPOSITORY}/docs/log.md`, 'utf8')
  const names = (await readdir(`${REPOSITORY}/src`, { recursive: true })).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('observe/messages/'),
  )
  const code = (await Promise.all(names.map((name) => readFile(`${REPOSITORY}/src/${name}`, 'utf8')))).join('\n')
  const unused = Object.keys(messages).filter(
    (message) => message !== 'component.note' && !code.includes(`'${message}'`),
  )
  assert.deepEqual(unused, [])
  assert.deepEqual(
    Object.keys(messages).filter((message) => !page.includes(`### \`${message}\`\n`)),
    [],
  )
})

const CANARY = { secret: 'canary-log-secret-1', record: 'canary-record-2' }

/** An API whose first page fails once, a store, and custom code that warns. */
async function openJob(t: TestContext) {
  const s3 = await startBucketServer(t, 'events')
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    response.writeHead(requests === 1 ? 503 : 200, { 'content-type': 'application/json' })
    response.end(
      requests === 1
        ? `{"message":"${CANARY.secret} \\u001b[2J ${request.headers['x-team']?.toString()}"}`
        : JSON.stringify([{ id: 1, text: CANARY.record }, { id: 2 }]),
    )
  })
  const port = await listen(server)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const workspace = await openProject(t, {
    'pipelines/p.yaml': `source:
  type: http
  request: { url: 'http://127.0.0.1:${port}/events', headers: { x-team: '\${env:SECRET}' } }
  retry: { attempts: 3, maxDelay: 1ms }
transforms:
  - type: ../custom.js
allowRepeats: true
sink: { type: s3, bucket: events, endpoint: '${s3.endpoint}', forcePathStyle: true, key: 'all', compression: none }
`,
    'custom.js': `import { defineTransform } from 'sluice'
export default defineTransform({
  type: 'custom', summary: 'Warns.', fields: {}, examples: [],
  create(_config, { note }) {
    note('mine\\u001b[2J', { level: 'forged', message: 'forged', code: 7, secret: process.env.SECRET })
    process.emitWarning('old\\n{"forged":true}', { type: 'DeprecationWarning', code: 'DEP_MINE' })
    return (record) => record.get('id') === 2 ? record.reject('BAD') : record
  },
})
`,
  })
  return { workspace, env: { SECRET: CANARY.secret } }
}

test('a JSON log has the fields in each line: a retry, published objects, warnings, custom lines', async (t) => {
  const { workspace, env } = await openJob(t)
  const { code, stderr } = await workspace.sluice(['run', 'p', '--log-format', 'json', '--log-level', 'debug'], { env })
  assert.equal(code, 0, stderr)
  const lines = parse(stderr)
  for (const { level, time, message, code: name } of lines) {
    assert.ok(typeof level === 'string' && typeof message === 'string')
    assert.equal(new Date(String(time)).toISOString(), time)
    assert.ok(String(name) in messages, String(name))
  }
  const found = (name: string): Fields =>
    lines.find((line) => line['code'] === name) ?? assert.fail(`${name}: ${stderr}`)
  const runs = new Set(
    lines
      .filter((line) => line['code'] !== 'process.warning')
      .map((line) => JSON.stringify([line['pipeline'], line['run']])),
  )
  assert.equal(runs.size, 1, stderr)
  assert.match([...runs].join(''), /^\["p","[\da-f-]{36}"\]$/)
  assert.deepEqual([found('run.started')['source'], found('run.started')['sinks']], ['http', 's3'])
  assert.deepEqual([found('source.retry')['status'], found('source.retry')['attempt']], [503, 1])
  assert.equal(found('source.retry')['level'], 'warn')
  assert.deepEqual([found('object.published')['records'], found('object.published')['attempts']], [1, 1])
  assert.deepEqual([found('epoch.committed')['read'], found('epoch.committed')['rejected']], [2, 1])
  assert.deepEqual([found('records.rejected')['stage'], found('records.rejected')['reject']], ['custom', 'BAD'])
  assert.deepEqual([found('run.ended')['written'], found('run.ended')['outcome']], [1, 'done'])
  const custom = found('component.note')
  assert.deepEqual([custom['level'], custom['fact_level'], custom['fact_code']], ['info', 'forged', 7])
  assert.deepEqual([custom['stage'], custom['message'], custom['secret']], ['custom', 'mine\u001b[2J', '***'])
  const warning = lines.filter((line) => line['warning'] === 'DEP_MINE')
  assert.deepEqual([warning.length, warning[0]?.['message']], [1, 'DeprecationWarning: old\n{"forged":true}'])
  assert.deepEqual(leaksIn(stderr, CANARY), [])
  assert.doesNotMatch(stderr, /(?!\n)[\p{Cc}\p{Cf}]/u)
})

test('the level leaves out lines, from the option or the environment, and silent leaves out all', async (t) => {
  const { workspace, env } = await openJob(t)
  const warn = await workspace.sluice(['run', 'p', '--log-format', 'json', '--log-level', 'warn'], { env })
  const levels = new Set(parse(warn.stderr).map(({ level }) => level))
  assert.deepEqual([...levels], ['warn'])
  const variables = { ...env, SLUICE_LOG_FORMAT: 'json', SLUICE_LOG_LEVEL: 'silent' }
  assert.equal((await workspace.sluice(['run', 'p'], { env: variables })).stderr, '')
  const option = await workspace.sluice(['run', 'p', '--log-level', 'info'], { env: variables })
  assert.ok(parse(option.stderr).some((line) => line['code'] === 'run.ended'))
  const wrong = await workspace.sluice(['run', 'p'], { env: { ...env, SLUICE_LOG_LEVEL: 'loud' } })
  assert.match(wrong.stderr, /USAGE: SLUICE_LOG_LEVEL=loud: no such value\n {2}it is one of trace, /)
  assert.equal(wrong.code, 2)
})

test('people get time, level, text and facts; the report is printed with --json only as JSON', async (t) => {
  const { workspace, env } = await openJob(t)
  const pretty = await workspace.sluice(['run', 'p'], { env })
  assert.match(
    pretty.stderr,
    /^\S+Z warn {2}request failed, retrying partition=http: error=SOURCE_UNAVAILABLE status=503 /m,
  )
  assert.match(pretty.stderr, /^\S+Z info {2}object published sink=sink key=all/m)
  assert.match(pretty.stderr, /^\S+Z warn {2}DeprecationWarning: old\\n\{"forged":true\} warning=DEP_MINE$/m)
  assert.match(pretty.stderr, /^p: done in /m)
  const json = await workspace.sluice(['run', 'p', '--json'], { env })
  assert.equal(parse(json.stderr).at(-1)?.['outcome'], 'done')
})

test('a run that fails ends with a line of the error, also in JSON', async (t) => {
  const { workspace, env } = await openJob(t)
  const args = ['run', 'p', '--set', 'source.retry.attempts=1', '--log-format', 'json']
  const { code, stderr } = await workspace.sluice(args, { env })
  assert.equal(code, 3, stderr)
  const lines = parse(stderr)
  const failed = lines.find((line) => line['code'] === 'run.failed')
  assert.deepEqual([failed?.['level'], failed?.['error']], ['error', 'SOURCE_UNAVAILABLE'])
  const last = lines.at(-1)
  assert.deepEqual([last?.['code'], last?.['error']], ['process.failed', 'SOURCE_UNAVAILABLE'])
})
