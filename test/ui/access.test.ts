import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { openProject } from '../support/cli-project.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { attachUi, startUi } from './ui-process.ts'

const FILES = {
  'in.ndjson': '{"id":1}\n',
  'pipelines/p.yaml': 'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n',
}
const API = '/api/v1/pipelines'

test('the printed address works once, and leaves no token in the address of the page', async (t) => {
  const ui = await startUi(await openProject(t, FILES))
  assert.equal((await ui.ask({ path: API })).status, 401)
  const first = await ui.ask({ path: `/${ui.url.search}` })
  assert.deepEqual([first.status, first.headers.location], [303, '/'])
  const [cookie = ''] = first.headers['set-cookie'] ?? []
  assert.match(cookie, /^sluice_\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
  const [session] = cookie.split(';')
  assert.equal((await ui.ask({ path: API, headers: { cookie: session } })).status, 200)
  assert.equal((await ui.ask({ path: `/${ui.url.search}` })).status, 401)
  // A reload of the address by whoever has the session is no mistake.
  assert.equal((await ui.ask({ path: `/${ui.url.search}`, headers: { cookie: session } })).status, 303)
  assert.equal((await ui.ask({ path: API, headers: { cookie: `${session}x` } })).status, 401)
})

test('requests for another host, or of another origin or site, are refused whatever they bring', async (t) => {
  const ui = await startUi(await openProject(t, FILES))
  const cookie = await ui.enter()
  const { port } = ui.url
  const statusOf = async (headers: { readonly [name: string]: string }) =>
    (await ui.ask({ path: API, headers: { cookie, ...headers } })).status
  assert.equal(await statusOf({}), 200)
  assert.equal(await statusOf({ host: `localhost:${port}` }), 200)
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1.evil.example:${port}`])
    assert.equal(await statusOf({ host }), 421, host)
  assert.equal(await statusOf({ origin: `http://127.0.0.1:${port}` }), 200)
  for (const origin of ['http://evil.example', 'null', `https://127.0.0.1:${port}`, 'http://127.0.0.1:1'])
    assert.equal(await statusOf({ origin }), 403, origin)
  for (const site of ['cross-site', 'same-site']) assert.equal(await statusOf({ 'sec-fetch-site': site }), 403, site)
  assert.equal(await statusOf({ 'sec-fetch-site': 'same-origin' }), 200)
})

test('nothing but the files of the page is served, by no spelling of a path and through no link', async (t) => {
  const workspace = await openProject(t, FILES)
  await symlink('/etc/passwd', workspace.path('pipelines', 'link.yaml'))
  const ui = await startUi(workspace)
  const cookie = await ui.enter()
  for (const path of [
    '/../package.json',
    '/assets/../../main.cjs',
    '/%2e%2e/%2e%2e/package.json',
    '/..%2f..%2fpackage.json',
    '/assets/..\\..\\main.cjs',
    '//etc/passwd',
    '/pipelines/../../in.ndjson',
    `${API}/..%2f..%2fin`,
    `${API}/%2e%2e`,
  ]) {
    const { status, text } = await ui.ask({ path, headers: { cookie } })
    assert.ok(status >= 400 && status < 500, `${path}: ${status}`)
    assert.ok(!text.includes('"id":1') && !text.includes('root:'), path)
  }
  const { text } = await ui.ask({ path: `${API}/link`, headers: { cookie } })
  assert.ok(!text.includes('root:x'), text)
})

test('every response says that nothing else may run, be fetched or frame it', async (t) => {
  const ui = await startUi(await openProject(t, FILES))
  const cookie = await ui.enter()
  for (const path of ['/', API, '/nothing', '/api/v1/nothing']) {
    for (const asked of [{ path }, { path, headers: { cookie } }]) {
      const answer = await ui.ask(asked)
      const policy = String(answer.headers['content-security-policy'])
      assert.match(policy, /^default-src 'none'; script-src 'self'; /)
      assert.ok(!policy.includes('unsafe') && !policy.includes('data:') && policy.includes("frame-ancestors 'none'"))
      assert.equal(answer.headers['x-content-type-options'], 'nosniff')
      assert.equal(answer.headers['referrer-policy'], 'no-referrer')
      assert.equal(answer.headers['cache-control'], 'no-store')
      assert.equal(answer.headers['access-control-allow-origin'], undefined)
    }
  }
})

test('scripts send the token of a file', async (t) => {
  const workspace = await openProject(t, { ...FILES, token: 'short\n' })
  const short = await workspace.sluice(['ui', '--token-file', 'token'])
  assert.equal(short.code, 2)
  assert.match(short.stderr, /the token is not one of at least 16[^]*openssl rand -hex 32/)
  await workspace.write('token', `${'0a'.repeat(16)}\n`)
  const ui = await startUi(workspace, ['--token-file', 'token'])
  const ask = (token: string) => ui.ask({ path: API, headers: { authorization: `Bearer ${token}` } })
  assert.equal((await ask('0a'.repeat(16))).status, 200)
  assert.equal((await ask('0b'.repeat(16))).status, 401)
})

test('in a container, the page is reached by the names that are given, and by no other', async (t) => {
  const port = await freePort()
  const ui = await startUi(await openProject(t, FILES), [
    '--host',
    '0.0.0.0',
    '--port',
    String(port),
    '--insecure',
    '--name',
    'localhost:9000',
    '--name',
    'Sluice.example',
  ])
  assert.equal(ui.url.host, 'localhost:9000')
  const inside = attachUi(`http://127.0.0.1:${port}/${ui.url.search}`, ui)
  const statusOf = async (host: string, headers: { readonly [name: string]: string } = {}) =>
    (await inside.ask({ path: API, headers: { host, ...headers } })).status
  const entered = await inside.ask({ path: `/${ui.url.search}`, headers: { host: 'localhost:9000' } })
  const [cookie = ''] = (entered.headers['set-cookie']?.[0] ?? '').split(';')
  for (const host of ['localhost:9000', 'sluice.example', `sluice.example:${port}`]) {
    assert.equal(await statusOf(host, { cookie }), 200, host)
    assert.equal(await statusOf(host), 401, host)
  }
  // A proxy may encrypt.
  assert.equal(await statusOf('sluice.example', { cookie, origin: 'https://sluice.example' }), 200)
  assert.equal(await statusOf('sluice.example', { cookie, origin: 'https://evil.example' }), 403)
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `0.0.0.0:${port}`, 'sluice.example:1', 'evil.example'])
    assert.equal(await statusOf(host, { cookie }), 421, host)
})

test('other machines need TLS, or to be asked for', async (t) => {
  const workspace = await openProject(t, FILES)
  for (const [args, wanted] of [
    ['--host 192.0.2.7', /--tls-cert and --tls-key, or --insecure/],
    ['--host 0.0.0.0 --insecure', /for known names only[^]*--name[^]*typed into the browser/],
    ['--host 0.0.0.0 --name sluice.example', /--tls-cert and --tls-key, or --insecure/],
    ['--name http://sluice.example', /no name of a machine[^]*after :/],
    ['--host 192.0.2.7 --insecure', /this machine does not have the address/],
    ['--host nosuch.invalid --insecure', /there is no such host/],
    ['--tls-cert in.ndjson', /both --tls-cert and --tls-key/],
    ['--tls-cert in.ndjson --tls-key in.ndjson', /cannot be used[^]*PEM/],
    ['--port 99999', /not a port/],
  ] as const) {
    const { code, stderr } = await workspace.sluice(['ui', ...args.split(' ')])
    assert.equal(code, 2, args)
    assert.match(stderr, wanted)
  }
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

test('a build without the page says so, and serves the API', async (t) => {
  const build = await temporaryFolder(t)
  await cp(join(process.cwd(), 'build/dist'), join(build, 'build/dist'), {
    recursive: true,
    filter: (path) => basename(path) !== 'page',
  })
  await cp('package.json', join(build, 'package.json'))
  await symlink(join(process.cwd(), 'node_modules'), join(build, 'node_modules'))
  const running = (await openProject(t, FILES)).start(['ui'], { program: join(build, 'build/dist/main.cjs') })
  await until(() => running.output.stderr.includes('not built'), running)
  const ui = attachUi(running.output.stdout.trim(), running)
  const headers = { cookie: await ui.enter() }
  const page = await ui.ask({ path: '/', headers })
  assert.deepEqual([page.status, /npm run build/.test(page.text)], [503, true])
  assert.equal((await ui.ask({ path: API, headers })).status, 200)
})
