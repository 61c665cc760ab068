import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openProject } from '../support/cli-project.ts'
import { filesBelow, leaksIn } from '../support/leaks.ts'
import { listen } from '../support/listen.ts'

async function startApi(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer)
  const port = await listen(server)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

const SECRETS = {
  header: 'canary/header+1=&"x"',
  query: 'canary query:2/?#é',
  path: 'canary-path-3-segment',
  body: 'canary\\body;4<>"',
}
const ENV = { H: SECRETS.header, Q: SECRETS.query, P: SECRETS.path, B: SECRETS.body }

function pipelineOf(api: string, more = ''): string {
  return `source:
  type: http
  request:
    method: POST
    url: '${api}/\${env:P}/events'
    headers: { x-team: 'team \${env:H}' }
    query: { q: '\${env:Q}' }
    body: { b: '\${env:B}' }
  retry: { attempts: 1 }
  ${more}
allowRepeats: true
sink: { type: file, path: out, key: all, compression: none }
`
}

test('an inserted value that the API quotes is in no message, report or state, whatever its field', async (t) => {
  const api = await startApi(t, (request, response) => {
    const sent = [request.url, JSON.stringify(request.headers), ...Object.values(SECRETS)]
    response.writeHead(401, {
      'content-type': 'application/json',
      'x-request-id': sent.join(' ').replaceAll(/[^ -~]/g, ''),
    })
    response.end(JSON.stringify({ message: `${'x'.repeat(250)} bad key: ${sent.join(', ')}` }))
  })
  const workspace = await openProject(t, { 'pipelines/p.yaml': pipelineOf(api) })
  for (const command of [
    ['run', 'p', '--report', 'r.json'],
    ['run', 'p', '--json'],
    ['check', 'p', '--connect'],
    ['preview', 'p'],
  ]) {
    const { code, stdout, stderr } = await workspace.sluice(command, { env: ENV })
    assert.equal(code, 3, stderr)
    assert.match(stdout + stderr, /returned 401/)
    assert.match(stdout + stderr, /http:\/\/127\.0\.0\.1/, 'the host is needed to understand the message')
    assert.deepEqual(leaksIn(stdout + stderr, SECRETS), [], `${command.join(' ')}: ${stdout}${stderr}`)
  }
  for (const [path, bytes] of await filesBelow(workspace.folder)) assert.deepEqual(leaksIn(bytes, SECRETS), [], path)
})

test('a link to the next page is stored without the secrets in it, and followed with those of today', async (t) => {
  const seen: string[] = []
  let broken = true
  const api = await startApi(t, (request, response) => {
    const url = new URL(request.url ?? '', 'http://a.example')
    seen.push(`${url.searchParams.get('token')} ${url.searchParams.get('q')} ${url.searchParams.get('page')}`)
    const page = Number(url.searchParams.get('page') ?? 1)
    if (page === 2 && broken) {
      response.writeHead(500).end()
      return
    }
    url.searchParams.set('page', String(page + 1))
    // The API repeats the whole query, and copies the header into it.
    url.searchParams.set('token', String(request.headers['x-team']).slice('team '.length))
    const link = page < 3 ? { link: `<${url.pathname}${url.search}>; rel=next` } : {}
    response.writeHead(200, { 'content-type': 'application/json', ...link }).end(JSON.stringify([{ id: page }]))
  })
  const workspace = await openProject(t, { 'pipelines/p.yaml': pipelineOf(api, 'paginate: { type: link }') })
  const env = { ...ENV, H: 'canary/header+1' }
  assert.equal((await workspace.sluice(['run', 'p'], { env })).code, 3)
  const { stdout } = await workspace.sluice(['state', 'show', 'p', '--json'], { env })
  assert.match(stdout, /page=2/)
  for (const [path, bytes] of [...(await filesBelow(workspace.folder)), ['state show', Buffer.from(stdout)] as const])
    assert.deepEqual(leaksIn(bytes, { ...SECRETS, header: env.H }), [], path)

  broken = false
  seen.length = 0
  const second = await workspace.sluice(['run', 'p'], { env: { ...env, H: 'canary/rotated+9' } })
  assert.equal(second.code, 0, second.stderr)
  assert.equal(seen[0], `canary/rotated+9 ${SECRETS.query} 2`)
  assert.deepEqual(
    [...(await filesBelow(workspace.path('out'))).values()].map(String).toSorted().join(''),
    '{"id":1}\n{"id":2}\n{"id":3}\n',
  )
})

test('a plain name from the environment stays readable', async (t) => {
  const workspace = await openProject(t, {
    'pipelines/p.yaml': `source: { type: file, path: '\${env:INPUT_FOLDER}/*.ndjson' }
sink: { type: file, path: '\${env:OUTPUT_FOLDER}', key: all }
`,
  })
  const { stderr } = await workspace.sluice(['run', 'p'], {
    env: { INPUT_FOLDER: 'archive-2024', OUTPUT_FOLDER: 'output-2024' },
  })
  assert.match(stderr, /archive-2024/)
})

test('code of the project that throws a secret reveals it nowhere, not even outside of a call', async (t) => {
  const secret = 'canary/custom+code=1'
  const workspace = await openProject(t, {
    'in.ndjson': '{"id":1}\n',
    'late.js': `import { defineTransform, learnSecret, Type } from 'sluice'
// Not in one part, so that the file itself is not found.
const TOKEN = ['canary', 'learned', 'token'].join('-')
export default defineTransform({
  summary: 'x', fields: { option: Type.String({ description: 'x' }), when: Type.String({ description: 'x' }) }, examples: [],
  check: ({ option, when }) => { if (when === 'check') throw new Error('bad ' + option) },
  create: ({ option, when }) => {
    if (when === 'create') throw new Error('bad ' + option, { cause: new Error(option) })
    if (when === 'later') setTimeout(() => { throw new Error('late ' + option) })
    return async (record) => {
      if (when === 'later') await new Promise((resolve) => setTimeout(resolve, 500))
      if (when === 'code') return record.reject(option)
      if (when === 'learned') {
        learnSecret(TOKEN)
        return record.reject('BAD', 'token ' + TOKEN)
      }
      if (when === 'detail') return record.reject('BAD', 'option ' + encodeURIComponent(option) + '\\u001b[2J')
      return record
    }
  },
})
`,
  })
  // An error outside of a call ends the process.
  const run = (...of: Parameters<typeof workspace.start>) => workspace.start(...of).ended
  const runInHost = (...of: Parameters<typeof workspace.sluice>) => workspace.sluice(...of)
  for (const [when, expected] of [
    ['check', 2],
    ['create', 2],
    ['later', 1],
    ['code', 0],
    ['detail', 0],
    ['learned', 0],
  ] as const) {
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: in.ndjson }
transforms: [{ type: ../late.js, option: '\${env:OPTION}', when: ${when} }]
sink: { type: file, path: out-${when}, key: all }
`,
    )
    const options = { env: { OPTION: secret } }
    const { code, stdout, stderr } = await (when === 'later' ? run : runInHost)(
      ['run', 'p', '--state', when, '--report', `${when}.json`],
      options,
    )
    assert.equal(code, expected, stderr)
    assert.deepEqual(leaksIn(stdout + stderr, { secret, token: 'canary-learned-token' }), [], stderr)
    if (code !== 0) continue
    const shown = await workspace.sluice(['rejects', 'show', 'p', '--state', when])
    assert.match(
      shown.stdout,
      when === 'code'
        ? /TRANSFORM_FAILED.*\n.*the reject code is not/
        : /BAD at late: 1\n.*(option \*\*\*\\u001b\[2J|token \*\*\*)/,
    )
  }
  for (const [path, bytes] of await filesBelow(workspace.folder))
    assert.deepEqual(leaksIn(bytes, { secret, token: 'canary-learned-token' }), [], path)
})

test('a secret on the command line is hidden, and named as visible to other users', async (t) => {
  const workspace = await openProject(t, {
    'pipelines/p.yaml': 'source: { type: jumpcloud }\ntransforms: [{ type: dedup, key: id }]\nsink: { type: stdout }\n',
  })
  const { code, stdout, stderr } = await workspace.sluice(['check', 'p', '--set', 'source.apiKey=canary-of-the-key'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /--set:1:15 warning: a secret on the command line: other users can see it/)
  assert.deepEqual(leaksIn(stdout + stderr, { secret: 'canary-of-the-key' }), [])
  const bare = await workspace.sluice(['check', 'p', '--set', 'source.apiKey=${env:K}'], {
    env: { K: 'canary-of-the-key' },
  })
  assert.doesNotMatch(bare.stdout, /command line/)
})
