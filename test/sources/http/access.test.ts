import assert from 'node:assert/strict'
import { generateKeyPairSync, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { Workspace } from '../../support/command.ts'
import { openCollector } from '../../support/collector.ts'
import { until } from '../../support/until.ts'
import { openWorkspace } from '../../support/command.ts'
import { openSource, QUICK, readSource, startServer } from './read-source.ts'

const FILE_KEY = 'apiKey: ${file:../secrets/key}'

describe('a key in a file', { concurrency: true }, () => {
  test('is replaced under a collector as Kubernetes does it, by a symbolic link, without an end of the run', async (t) => {
    const { api, workspace, ...collector } = await openCollector(t, { auth: FILE_KEY })
    await putVersion(workspace, 1, { key: `${api.apiKey}\n` })
    const run = collector.follow(['--report', workspace.path('report.json')])
    await collector.caughtUp(run)

    const { apiKey } = api.rotate()
    await putVersion(workspace, 2, { key: `${apiKey}\n` })
    collector.advance()
    await collector.caughtUp(run)

    run.kill('SIGTERM')
    const { code, stderr } = await run.ended
    assert.equal(code, 130)
    assert.match(stderr, /keys were read again/)
    const ids = await collector.ids()
    assert.equal(new Set(ids).size, ids.length)
    for (const key of [api.apiKey, apiKey]) assert.ok(!stderr.includes(key))
  })

  test('is taken before the old one is refused, without a refusal', async (t) => {
    const { api, workspace, ...collector } = await openCollector(t, { auth: FILE_KEY })
    await workspace.write('secrets/key', api.apiKey)
    const run = collector.follow()
    await collector.caughtUp(run)

    const { apiKey } = api.rotate({ keepOld: true })
    await workspace.write('secrets/key', apiKey)
    await until(() => api.requests.at(-1)?.headers['x-api-key'] === apiKey, run)

    run.kill('SIGTERM')
    const { stderr } = await run.ended
    assert.ok(api.requests.every(({ status }) => status !== 401))
    assert.match(stderr, /keys were read again/)
  })

  test('that is refused keeps a collector waiting until the file is complete', async (t) => {
    const { api, workspace, ...collector } = await openCollector(t, { auth: FILE_KEY })
    await workspace.write('secrets/key', api.apiKey)
    const run = collector.follow()
    await collector.caughtUp(run)

    const { apiKey } = api.rotate()
    collector.advance()
    await until(() => run.output.stderr.includes('waiting for a new one'), run)
    await workspace.write('secrets/key', '')
    await until(() => run.output.stderr.includes('the secret is empty'), run)
    await workspace.write('secrets/key', apiKey.slice(0, 12))
    await until(() => api.requests.some(({ headers }) => headers['x-api-key'] === apiKey.slice(0, 12)), run)
    await workspace.write('secrets/key', apiKey)
    await collector.caughtUp(run)

    run.kill('SIGTERM')
    const { code, stderr } = await run.ended
    assert.equal(code, 130)
    assert.ok(!stderr.includes(apiKey.slice(0, 12)), 'a half-written key is hidden, too')
  })

  test('that stays the same after a refusal ends a collector when its patience is over, and the error names the file', async (t) => {
    const { api, workspace, ...collector } = await openCollector(t, { auth: FILE_KEY })
    await workspace.write('secrets/key', api.apiKey)
    const run = collector.follow(['--set', 'source.retry.refusedFor=300ms'])
    await collector.caughtUp(run)

    api.rotate()
    collector.advance()
    const { code, stderr } = await run.ended
    assert.equal(code, 3)
    assert.match(stderr, /SOURCE_REFUSED/)
    assert.match(stderr, /write the new key to .*secrets\/key, whose content is the same as before/)
  })

  test('that never worked is a mistake: nobody waits', async (t) => {
    const { workspace, ...collector } = await openCollector(t, { auth: FILE_KEY })
    await workspace.write('secrets/key', 'a key of another organization')
    const { code, stderr } = await collector.follow().ended
    assert.equal(code, 3)
    assert.doesNotMatch(stderr, /waiting for a new one/)
    assert.match(stderr, /write the new key to .*secrets\/key/)
  })

  test('may be the client secret of a token endpoint', async (t) => {
    const { api, workspace, ...collector } = await openCollector(t, { auth: '' })
    const [{ id }] = api.organizations
    const account = `{ clientId: ${api.clientId}, clientSecret: '\${file:../secrets/key}', tokenUrl: '${api.tokenUrl}' }`
    const set = ['--set', `source.serviceAccount=${account}`, '--set', `source.organizations=[${id}]`]
    await workspace.write('secrets/key', api.clientSecret)
    const run = collector.follow(set)
    await collector.caughtUp(run)

    const { clientSecret } = api.rotate()
    collector.advance()
    await until(() => run.output.stderr.includes('waiting for a new one'), run)
    await workspace.write('secrets/key', clientSecret)
    await collector.caughtUp(run)

    run.kill('SIGTERM')
    const { code, stderr } = await run.ended
    assert.equal(code, 130)
    assert.ok(!stderr.includes(clientSecret))
  })
})

test('a signing key in keyFile is read again when the token endpoint refuses the old one', async (t) => {
  const workspace = await openWorkspace(t)
  const [old, next] = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ]
  const write = ({ privateKey }: typeof old): void =>
    writeFileSync(workspace.path('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  write(old)
  const server = await startServer(t, ({ url, headers, body }, response) => {
    response.setHeader('content-type', 'application/json')
    if (url.pathname === '/events') response.end(headers.authorization === 'Bearer token' ? '[{"id":1}]' : '{}')
    else if (isSignedBy(next.publicKey, new URLSearchParams(body).get('assertion') ?? ''))
      response.end('{"access_token":"token","token_type":"Bearer"}')
    else {
      // The rotation is complete before the refusal has arrived.
      write(next)
      response.writeHead(400)
      response.end('{"error":"invalid_grant"}')
    }
  })
  const auth = {
    type: 'oauth2JwtBearer',
    tokenUrl: `${server.origin}/token`,
    issuer: 'sluice',
    keyFile: workspace.path('key.pem'),
  }
  const source = await openSource({ type: 'http', request: { url: `${server.origin}/events` }, auth, ...QUICK })
  const { error, lines, notes } = await readSource(source)
  assert.equal(error, undefined)
  assert.deepEqual(lines, ['{"id":1}'])
  assert.ok(notes.some(({ message }) => message === 'keys were read again'))
})

function isSignedBy(key: KeyObject, token: string): boolean {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const options = { key, dsaEncoding: 'ieee-p1363' } as const
  return verify('sha256', Buffer.from(`${header}.${claims}`), options, Buffer.from(signature, 'base64url'))
}

/** As the kubelet does: a folder for each version, and a link that is replaced by `rename`. */
async function putVersion(workspace: Workspace, version: number, files: { readonly [name: string]: string }) {
  const folder = workspace.path('secrets')
  await mkdir(`${folder}/..${version}`, { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    await writeFile(`${folder}/..${version}/${name}`, text)
    if (version === 1) await symlink(`..data/${name}`, `${folder}/${name}`)
  }
  await symlink(`..${version}`, `${folder}/..data_tmp`)
  await rename(`${folder}/..data_tmp`, `${folder}/..data`)
  await rm(`${folder}/..${version - 1}`, { recursive: true, force: true })
}
