import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openProject } from '../../support/cli-project.ts'
import { filesBelow, leaksIn } from '../../support/leaks.ts'
import { listen } from '../../support/listen.ts'

const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'AKIACANARYACCESSKEY1',
  AWS_SECRET_ACCESS_KEY: 'canary/secret+access/key=2',
  AWS_SESSION_TOKEN: `CanarySessionToken3${'x'.repeat(40)}`,
}
const ENV = { ...CREDENTIALS, AWS_REGION: 'us-east-1', AWS_CONFIG_FILE: '/nonexistent', AWS_MAX_ATTEMPTS: '1' }

function openEvents(t: TestContext, sink: string) {
  return openProject(t, {
    'in.ndjson': '{"id":1}\n',
    'pipelines/p.yaml': `source: { type: file, path: in.ndjson }\nsink: { type: s3, bucket: events, key: all, forcePathStyle: true${sink} }\n`,
  })
}

test('nothing is sent to a store without TLS, unless it is on this machine or allowed', async (t) => {
  const inFile = await openEvents(t, ', endpoint: "http://store.example:9000"')
  const checked = await inFile.sluice(['check', 'p'])
  assert.equal(checked.code, 2)
  assert.match(
    checked.stdout,
    /http:\/\/store\.example is not https: .*\n.*\n.*\n   use https, or set allowInsecure: true/,
  )
  assert.equal((await inFile.sluice(['check', 'p', '--set', 'sink.allowInsecure=true'])).code, 0)
  assert.equal((await inFile.sluice(['check', 'p', '--set', 'sink.endpoint=http://127.0.0.1:9000'])).code, 0)

  const workspace = await openEvents(t, '')
  const stores = { AWS_ENDPOINT_URL_S3: 'http://store.invalid:9000' }
  for (const command of [
    ['run', 'p'],
    ['check', 'p', '--connect'],
  ]) {
    const { code, stdout, stderr } = await workspace.sluice(command, { env: { ...ENV, ...stores } })
    assert.equal(code, 4, stderr)
    assert.match(stdout + stderr, /http:\/\/store\.invalid is not https: nothing was sent/)
  }
  const role = ['--set', 'sink.assumeRole.arn=arn:aws:iam::111122223333:role/writer', '--state', 'other']
  const sts = { AWS_ENDPOINT_URL_STS: 'http://sts.invalid:9000', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' }
  const assumed = await workspace.sluice(['run', 'p', ...role], { env: { ...ENV, ...sts } })
  assert.match(assumed.stderr, /http:\/\/sts\.invalid is not https: nothing was sent/)
})

test('a store that quotes credentials and control characters as code, message and request id is not repeated', async (t) => {
  let code = ''
  const server = createServer((request, response) => {
    request.resume()
    const { authorization, 'x-amz-security-token': token } = request.headers
    const text = `${code} ${String(authorization)} ${String(token)} \u009b31m`
    response.writeHead(403, {
      'content-type': 'application/xml',
      'x-amz-request-id': `${CREDENTIALS.AWS_SESSION_TOKEN} id`,
    })
    response.end(`<Error><Code>${code}</Code><Message>${text}</Message><RequestId>${text}</RequestId></Error>`)
  })
  const port = await listen(server)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const workspace = await openEvents(t, `, endpoint: "http://127.0.0.1:${port}"`)
  const hostile = [
    ...Object.values(CREDENTIALS),
    Buffer.from(CREDENTIALS.AWS_SECRET_ACCESS_KEY).toString('hex'),
    'x&#27;[2J',
    'a code',
    'A'.repeat(100),
  ]
  for (code of hostile) {
    const { code: status, stdout, stderr } = await workspace.sluice(['run', 'p', '--report', 'r.json'], { env: ENV })
    assert.equal(status, 4, stderr)
    assert.match(stderr, /the store refused \w+ on bucket events: status 403 \(403\)/)
    assert.deepEqual(leaksIn(stdout + stderr, CREDENTIALS), [], stderr)
    assert.ok(!stderr.includes(code) && !/[^\n\P{Cc}]/u.test(stderr), stderr)
  }
  code = 'AccessDenied'
  assert.match((await workspace.sluice(['run', 'p'], { env: ENV })).stderr, /AccessDenied \(403\)/)
  for (const [path, bytes] of await filesBelow(workspace.folder))
    assert.deepEqual(leaksIn(bytes, CREDENTIALS), [], path)
})
