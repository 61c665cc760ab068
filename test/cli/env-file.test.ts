import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openProject } from '../support/cli-project.ts'
import type { CommandOptions } from '../support/command.ts'

/** Writes the values that it finds in the environment. */
const PIPELINE = `source: { type: file, path: in.ndjson }
transforms:
  - type: ../show.js
    values: ['\${env:A:-}', '\${env:B:-}', '\${env:C:-}']
sink: { type: stdout }
tests:
  - name: one
    input: [{}]
    expect: { output: [{ values: [of-env, '', ''] }] }
`
const SHOW = `import { defineTransform, Type } from 'sluice'
export default defineTransform({
  summary: 'x', examples: [], fields: { values: Type.Array(Type.String(), { description: 'x' }) },
  create: ({ values }) => (record) => record.set('values', values),
})
`

async function open(t: TestContext, files: { readonly [path: string]: string }) {
  const work = await openProject(t, { 'pipelines/p.yaml': PIPELINE, 'show.js': SHOW, 'in.ndjson': '{}\n', ...files })
  for (const name of Object.keys(files)) if (name.includes('.env')) await chmod(work.path(name), 0o600)
  const valuesOf = async (args: readonly string[] = [], options: CommandOptions = {}): Promise<string[]> => {
    const { code, stdout, stderr } = await work.sluice(['run', 'p', ...args], options)
    assert.equal(code, 0, stderr)
    const { values }: { values: string[] } = JSON.parse(stdout)
    return values
  }
  return { work, valuesOf }
}

test('.env is read when it is there, and never changes a variable that is set, not even to the empty text', async (t) => {
  const { work, valuesOf } = await open(t, { '.env': 'A=of-env\nB=of-env\nC=of-env\n' })
  assert.deepEqual(await valuesOf(), ['of-env', 'of-env', 'of-env'])
  assert.deepEqual(await valuesOf([], { env: { A: 'of-shell', B: '' } }), ['of-shell', '', 'of-env'])
  assert.deepEqual(await valuesOf(['--no-env-file']), ['', '', ''])
  await work.write('.env', 'A=of-env\n')
  const tested = await work.sluice(['test', 'p'])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  const checked = await work.sluice(['check', 'p', '--env-file', '.env', '--set', 'sink.type=${env:B}'])
  assert.match(checked.stdout, /the environment variable B is not set/)
})

test('--env-file replaces .env; the last of several files counts, and all commands take it', async (t) => {
  const { work, valuesOf } = await open(t, { '.env': 'A=0\nB=0\n', 'one.env': 'A=1\nC=1\n', 'two.env': 'A=2\n' })
  assert.deepEqual(await valuesOf(['--env-file', 'one.env', '--env-file=two.env']), ['2', '', '1'])
  const previewed = await work.sluice(['preview', 'p', '--env-file', 'two.env'])
  assert.match(previewed.stdout, /"2"/)
  for (const line of ['check p', 'describe file', 'list', 'new key']) {
    const { code, stderr } = await work.sluice([...line.split(' '), '--env-file', 'none.env'])
    assert.equal(code, 2, line)
    assert.match(stderr, /ENV_FILE_INVALID: the file none\.env of --env-file does not exist/)
  }
  // As a process: Node.js looks for such a file itself, and knows no better status.
  const missing = await work.start(['run', 'p', '--env-file', 'none.env']).ended
  assert.notEqual(missing.code, 0)
  assert.match(missing.stderr, /none\.env/)
  assert.equal(missing.stdout, '')
})

test('values are read as they are written: quotes, escapes, several lines, comments, CRLF', async (t) => {
  const cases: [file: string, expected: string][] = [
    ['A=plain', 'plain'],
    ['\uFEFFA=mark', 'mark'],
    ['# comment\r\n\r\nexport A = spaced out  \r\n', 'spaced out'],
    ['# Mac OS 9\rA=one\rB=two\r', 'one'],
    ['A=value # comment', 'value'],
    ['A= # comment', ''],
    ['A="with # and \'"  # comment', "with # and '"],
    ["A='literal \\n $HOME'", 'literal \\n $HOME'],
    ['A="one\\ntwo"', 'one\ntwo'],
    ['A="one\ntwo=2\n#three"\nB=after', 'one\ntwo=2\n#three'],
    ['A=`both " and \'`', 'both " and \''],
    ["A=it's", "it's"],
    ['A=a=b==', 'a=b=='],
    ['A=${HOME}', '${HOME}'],
    ['A=', ''],
  ]
  const { work, valuesOf } = await open(t, { '.env': '' })
  for (const [file, expected] of cases) {
    await work.write('.env', file)
    assert.equal((await valuesOf())[0], expected, file)
  }
})

test('lines that Node.js would skip or read otherwise are refused by their numbers, and never quoted', async (t) => {
  const cases: [file: string, message: string][] = [
    ['A=1\ncanary secret', 'line 2 is not NAME=value'],
    ['A: canary', 'line 1 is not NAME=value'],
    ['canary', 'line 1 is not NAME=value'],
    ['1A=canary', 'line 1 is not NAME=value'],
    ['A-B=canary', 'line 1 is not NAME=value'],
    ['A=can#ary', 'line 1 has a # within a value that is not quoted'],
    ['A=#canary', 'line 1 has a # within a value that is not quoted'],
    ['A="canary\nB=2\n', 'line 1 opens a quote and does not close it'],
    ['A="1\n2"\nB="a" canary', 'line 3 has text after the closing quote'],
    ['A="can\\"ary"', 'line 1 has text after the closing quote'],
    ['canary\n'.repeat(7), 'line 5 is not NAME=value; and 2 more'],
    ['A=can\0ary', 'the file .env is not text in UTF-8'],
    [`A=${'x'.repeat(300_000)}`, 'the file .env has 300002 bytes, but the limit is 262144'],
  ]
  const { work } = await open(t, { '.env': '' })
  for (const [file, message] of cases) {
    await work.write('.env', file)
    const { code, stdout, stderr } = await work.sluice(['run', 'p'])
    assert.equal(code, 2, file.slice(0, 40))
    assert.ok(stderr.includes(`ENV_FILE_INVALID: `) && stderr.includes(message), stderr)
    assert.doesNotMatch(stdout + stderr, /can.?.?ary/)
  }
  // These do not need it, and one of them may be what corrects it.
  for (const line of ['list', 'new key', 'init sub', '--version', '--help'])
    assert.equal((await work.sluice(line.split(' '))).code, 0, line)
})

test('a .env that is not a file of this user does not block a command', async (t) => {
  const { work, valuesOf } = await open(t, {})
  await mkdir(work.path('.env'))
  assert.deepEqual(await valuesOf(), ['', '', ''])
  await mkdir(work.path('fifo'))
  await promisify(execFile)('mkfifo', [work.path('fifo/.env')])
  const { code, stderr } = await work.sluice(['check', '../pipelines/p.yaml'], { cwd: 'fifo' })
  assert.equal(code, 2)
  assert.match(stderr, /the file \.env is not a regular file\n {2}.*--no-env-file/)
})

test('warns when others can read the file, when a variable is set twice, and when one comes too late', async (t) => {
  const { work } = await open(t, { '.env': 'A=1\nA=2\nNODE_OPTIONS=--title=x\n' })
  await chmod(work.path('.env'), 0o644)
  const { code, stderr } = await work.sluice(['check', 'p'])
  assert.equal(code, 0)
  assert.match(stderr, /warning: other users of this machine can read \.env \(rights 644\): chmod 600 \.env/)
  assert.match(stderr, /warning: \.env: line 2 sets A again, which line 1 sets/)
  assert.match(stderr, /warning: NODE_OPTIONS in \.env has no effect/)
  await chmod(work.path('.env'), 0o640)
  assert.doesNotMatch((await work.sluice(['check', 'p'])).stderr, /other users/)
})

test('a secret of .env is hidden in all output, as one of the environment is', async (t) => {
  const secret = 'canary-of-the-env-file'
  const { work } = await open(t, {
    '.env': `TOKEN="${secret}"\nAWS_SECRET_ACCESS_KEY=canary-of-aws\n`,
    'throw.js': `export default () => { throw new Error('bad ' + process.env.AWS_SECRET_ACCESS_KEY) }\n`,
    'pipelines/q.yaml': `source: { type: http, request: { url: 'https://127.0.0.1:1/' }, auth: { type: bearer, token: 'x \${env:TOKEN}\\t' } }
transforms: [{ type: dedup, key: id }]
sink: { type: '\${env:TOKEN}' }
`,
    'pipelines/r.yaml': `source: { type: file, path: in.ndjson }
transforms: [{ type: ../throw.js, onError: stop }]
sink: { type: stdout }
tests: [{ name: one, input: [{}], expect: { output: [{}] } }]
`,
  })
  for (const line of ['check q', 'test q', 'run q', 'check r', 'test r', 'run r']) {
    const { stdout, stderr } = await work.sluice(line.split(' '))
    assert.doesNotMatch(stdout + stderr, /canary-of/, line)
  }
  assert.match((await work.sluice(['check', 'q'])).stdout, /unknown sink type "\*+"/)
})
