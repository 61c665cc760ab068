/*
 * Most tests run commands in a process that they share, which does not prove that the process of a
 * command ends. Here each command is a real process, and ends also when nobody reads its output.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { listCommands } from '../../src/cli/commands.ts'
import { openProject } from '../support/cli-project.ts'
import { listen } from '../support/listen.ts'
import { MAIN } from '../support/paths.ts'

const PROJECT = {
  'in.ndjson': `{"id":1}\n{"id":2}\n{\n${`{"no":"${'x'.repeat(200_000)}"}\n`.repeat(3)}`,
  'pipelines/p.yaml': `source: { type: file, path: in.ndjson }
transforms: [{ type: dedup, key: id }]
sink: { type: file, path: out }
tests:
  - name: one
    input: [{ id: 1 }]
    expect: { output: [{ id: 1 }] }
`,
  'pipelines/lines.yaml': 'source: { type: file, path: in.ndjson }\nsink: { type: stdout }\n',
  'pipelines/api.yaml': `source: { type: http, request: { url: '\${env:API_URL}' } }
transforms: [{ type: dedup, key: id }]
sink: { type: file, path: out }
`,
}

/** Command lines, in an order in which each finds what it needs. */
const LINES = [
  'check',
  'check p --guarantees',
  'check p --connect',
  'list',
  'describe file',
  'graph p',
  'test',
  'preview p',
  'run p',
  'run lines',
  'backfill p in.ndjson',
  'backfill p in.ndjson --dry-run',
  'verify p',
  'state show p',
  'runs list',
  'runs show p',
  'runs retry p',
  'state rewind p --to all --yes',
  'rejects show p',
  'rejects show p --json',
  'rejects replay p',
  'new transform mine',
  'new pipeline other',
  'init other',
  'completion bash',
  'record api --pages 1',
  'state compact p',
  'state reset p --yes',
  '--help',
  '--version',
]

describe('every command ends its process by itself', () => {
  test('the list has every command', () => {
    // A worker ends by a signal only, see test/system/queue; what asks a run ends with it, see
    // test/cli/commands.
    const listed = new Set(['worker', 'reload', 'top', 'tap', 'ui', ...LINES.map((line) => line.split(' ')[0])])
    for (const { command } of listCommands(() => {}))
      assert.ok(listed.has(String(command).split(' ')[0]), String(command))
  })

  test('when its output is read', { timeout: 120_000 }, async (t) => {
    for (const { line, code, stderr } of await runAll(t, 'read')) assert.equal(code, 0, `${line}: ${stderr}`)
  })

  test('when the reader of its output has gone, without a stack trace', { timeout: 120_000 }, async (t) => {
    for (const { line, code, stderr } of await runAll(t, 'gone')) {
      assert.equal(code, 0, `${line}: ${stderr}`)
      assert.doesNotMatch(stderr, /^ +at |EPIPE/m, line)
      if (line === 'run lines') assert.match(stderr, /^lines: closed in /m)
    }
  })
})

test('a log that nobody reads does not end a run', { timeout: 60_000 }, async (t) => {
  const project = await openProject(t, PROJECT)
  const child = spawn(process.execPath, [MAIN, 'run', 'p', '--report', 'report.json'], {
    cwd: project.folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.stderr.destroy()
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
})

async function runAll(t: TestContext, output: 'read' | 'gone') {
  const { folder } = await openProject(t, PROJECT)
  const api = createServer((_, response) => response.end('[{"id":1}]'))
  t.after(() => api.close())
  const env = { ...process.env, API_URL: `http://127.0.0.1:${await listen(api)}/events` }
  const results: { line: string; code: unknown; stderr: string }[] = []
  for (const line of LINES) {
    const child = spawn(process.execPath, [MAIN, ...line.split(' ')], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.after(() => child.kill('SIGKILL'))
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    if (output === 'gone') child.stdout.destroy()
    else child.stdout.resume()
    const [code]: unknown[] = await once(child, 'close')
    results.push({ line, code, stderr })
  }
  return results
}
