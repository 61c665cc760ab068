import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from '../read-source.ts'
import type { TestServer } from '../read-source.ts'
import { fixture } from '../../../support/paths.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { listen } from '../../../support/listen.ts'

const CANARY = 'canary/0123 456'

function send(response: ServerResponse, value: unknown, headers: { readonly [name: string]: string } = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

async function openWith(server: TestServer, auth: object, more: object = {}) {
  return openSource({ type: 'http', request: { url: `${server.origin}/events` }, auth, ...QUICK, ...more })
}

test('sends an API key in the configured header, after its prefix', async (context) => {
  const server = await startServer(context, ({ headers }, response) => {
    if (headers.authorization === `SSWS ${CANARY}`) send(response, [{ id: 1 }])
    else response.writeHead(401).end()
  })
  const auth = { type: 'apiKey', header: 'Authorization', prefix: 'SSWS ', key: CANARY }
  const reading = await readSource(await openWith(server, auth))
  assert.deepEqual(idsOf(reading.lines), [1])
})

test('sends an API key in the URL of every page, and keeps it out of positions and messages', async (context) => {
  let broken = false
  const server = await startServer(context, ({ url }, response) => {
    assert.deepEqual(url.searchParams.getAll('key'), [CANARY])
    const page = Number(url.searchParams.get('page') ?? 0)
    // The API quotes the whole URL in its links and errors.
    if (broken) response.writeHead(400).end(JSON.stringify({ message: `bad request ${url.href} ${CANARY}` }))
    else if (page === 2) send(response, [{ id: 2 }])
    else
      send(response, [{ id: page }], {
        link: `<${url.pathname}?key=${encodeURIComponent(CANARY)}&page=${page + 1}>; rel=next`,
      })
  })
  const source = await openWith(server, { type: 'apiKey', query: 'key', key: CANARY }, { paginate: { type: 'link' } })
  const reading = await readSource(source)
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), [0, 1, 2])
  const cursors = JSON.stringify(reading.chunks.map(({ position }) => position))
  assert.match(cursors, /page=1/)
  assert.doesNotMatch(cursors + wordsOf(reading), /canary/)
  broken = true
  const failed = await readSource(source)
  assert.match(failed.error?.message ?? '', /returned 400: the API says "bad request .*\*\*\*/)
  assert.doesNotMatch(wordsOf(failed), /canary/)
})

/**
 * A server that accepts each refresh token once, as strict ones do. Access tokens live for
 * `seconds`.
 */
async function startRotating(context: TestContext, seconds = 3600) {
  const state = { refresh: 'canary-refresh-0', access: '', issued: 0, dead: false }
  const server = await startServer(context, ({ url, headers, body }, response) => {
    if (url.pathname === '/events') {
      const good = headers.authorization === `Bearer ${state.access}` && !state.dead
      state.dead = false
      if (good) send(response, [{ id: state.issued }])
      else response.writeHead(401).end()
      return
    }
    const form = new URLSearchParams(body)
    assert.equal(form.get('grant_type'), 'refresh_token')
    if (form.get('refresh_token') !== state.refresh) {
      response.writeHead(400).end(JSON.stringify({ error: 'invalid_grant', sent: form.get('refresh_token') }))
      return
    }
    state.issued++
    state.access = `canary-access-${state.issued}`
    state.refresh = `canary-refresh-${state.issued}`
    send(response, { access_token: state.access, refresh_token: state.refresh, expires_in: seconds })
  })
  return { server, state }
}

test('keeps rotated refresh tokens across a restart, in a file that only its owner can read', async (context) => {
  const { server, state } = await startRotating(context)
  const tokenFile = join(await temporaryFolder(context), 'deep', 'er', 'token')
  const auth = {
    type: 'oauth2RefreshToken',
    tokenUrl: `${server.origin}/token`,
    clientId: 'me',
    refreshToken: 'canary-refresh-0',
    tokenFile,
  }
  for (let run = 1; run <= 3; run++) {
    const reading = await readSource(await openWith(server, auth))
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), [run])
    assert.doesNotMatch(wordsOf(reading), /canary/)
  }
  assert.equal((await stat(tokenFile)).mode & 0o777, 0o600)
  assert.doesNotMatch(await readFile(tokenFile, 'utf8'), /canary-access|canary-refresh-0/)
  assert.ok(server.requests.every(({ body }) => body === '' || body.includes('client_id=me')))

  state.dead = true
  const renewed = await readSource(await openWith(server, auth))
  assert.equal(renewed.error, undefined)
  assert.equal(state.issued, 5)

  state.refresh = 'canary-refresh-new'
  const stale = await readSource(await openWith(server, auth))
  assert.equal(stale.error?.code, 'SOURCE_REFUSED')
  assert.match(stale.error.message, /returned 400 \(invalid_grant\): check the client id, the refresh token/)
  assert.doesNotMatch(wordsOf(stale), /canary/)
  const reconfigured = await readSource(await openWith(server, { ...auth, refreshToken: 'canary-refresh-new' }))
  assert.deepEqual(idsOf(reconfigured.lines), [6])
})

test('a token file that cannot be written or read fails the run before the token is used', async (context) => {
  const { server, state } = await startRotating(context)
  const folder = await temporaryFolder(context)
  await writeFile(join(folder, 'file'), 'x')
  const auth = {
    type: 'oauth2RefreshToken',
    tokenUrl: `${server.origin}/token`,
    clientId: 'me',
    clientSecret: 'secret',
  }
  const kept = { ...auth, refreshToken: 'canary-refresh-0', tokenFile: join(folder, 'file') }
  const damaged = await readSource(await openWith(server, kept))
  assert.equal(damaged.error?.code, 'STATE_DAMAGED')
  assert.equal(state.issued, 0)
  const unwritable = await readSource(await openWith(server, { ...kept, tokenFile: join(folder, 'file', 'token') }))
  assert.equal(unwritable.error?.code, 'DISK_FAILED')
  assert.match(unwritable.error.message, /ENOTDIR/)
  assert.doesNotMatch(wordsOf(unwritable), /canary/)
  assert.ok(server.requests.every(({ url }) => url.pathname === '/token'))
})

test('a token file that is a folder or a pipe fails the run, and nothing waits for it', async (context) => {
  const { server } = await startRotating(context)
  const folder = await temporaryFolder(context)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const tokenFile of [folder, pipe]) {
    const auth = { type: 'oauth2RefreshToken', tokenUrl: `${server.origin}/token`, clientId: 'me', refreshToken: 'r' }
    const reading = await readSource(await openWith(server, { ...auth, tokenFile }))
    assert.equal(reading.error?.code, 'STATE_DAMAGED')
    assert.match(reading.error.message, /\(auth\.tokenFile\) is not the file of a token/)
  }
  assert.equal(server.requests.length, 0)
})

test('refused credentials are reported even if nothing is due by the time of the API', async (context) => {
  const server = await startServer(context, (_request, response) => {
    response.writeHead(401, { date: new Date(Date.now() - 7_200_000).toUTCString() }).end()
  })
  const window = { since: new Date(Date.now() - 3_600_000).toISOString() }
  const reading = await readSource(await openWith(server, { type: 'bearer', token: 'canary-token' }, { window }))
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.match(reading.error.message, /returned 401/)
})

test('fetches one token for all tenants, and renews it before it expires', async (context) => {
  const { server, state } = await startRotating(context, 0)
  const auth = {
    type: 'oauth2RefreshToken',
    tokenUrl: `${server.origin}/token`,
    clientId: 'me',
    refreshToken: 'canary-refresh-0',
    tokenFile: join(await temporaryFolder(context), 'token'),
  }
  const tenants = Array.from({ length: 8 }, (_, at) => ({ org: String(at) }))
  const lasting = await startRotating(context)
  const once = await readSource(
    await openWith(
      lasting.server,
      { ...auth, tokenUrl: `${lasting.server.origin}/token`, tokenFile: `${auth.tokenFile}-2` },
      {
        tenants,
        rate: { perSecond: 1e4, concurrency: 8 },
        request: { url: `${lasting.server.origin}/events`, query: { o: '{tenant.org}' } },
      },
    ),
  )
  assert.equal(once.error, undefined)
  assert.equal(once.lines.length, 8)
  assert.equal(lasting.state.issued, 1)

  const paginate = { type: 'page', into: { query: 'page' }, maxPages: 3 }
  await readSource(await openWith(server, auth, { paginate }))
  assert.equal(state.issued, 3)
})

/** Follows the public documentation of Duo, independent of the implementation. */
function duoSignature(request: TestServer['requests'][number], key: string, algorithm: string): string {
  const parameters = request.url.search
    .slice(1)
    .split('&')
    .map((pair) => pair.split('=').map((text) => decodeURIComponent(text)))
    .map((pair) =>
      pair
        .map((text) =>
          [...Buffer.from(text)]
            .map((byte) => {
              const char = String.fromCharCode(byte)
              return /[A-Za-z0-9_.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
            })
            .join(''),
        )
        .join('='),
    )
    .toSorted()
    .join('&')
  const text = [request.headers.date, request.method, request.headers.host, request.url.pathname, parameters].join('\n')
  return createHmac(algorithm, key).update(text).digest('hex')
}

for (const algorithm of ['sha1', 'sha512']) {
  test(`signs requests as Duo requires, with ${algorithm}`, async (context) => {
    const server = await startServer(context, (request, response) => {
      const expected = Buffer.from(`DIXYZ:${duoSignature(request, CANARY, algorithm)}`).toString('base64')
      assert.match(request.headers.date ?? '', /^\w{3}, \d\d \w{3} \d{4} [\d:]{8} -0000$/)
      if (request.headers.authorization === `Basic ${expected}`) send(response, [{ id: 1 }])
      else response.writeHead(401).end(JSON.stringify({ message: 'Invalid signature' }))
    })
    const auth = {
      type: 'hmac',
      algorithm,
      username: 'DIXYZ',
      key: CANARY,
      sign: '{date}\n{method}\n{host}\n{path}\n{query}',
    }
    const request = {
      url: `${server.origin}/admin/v2/logs`,
      query: { sort: 'ts:asc', a: "é (1)*!'~ x", limit: '1000' },
    }
    const reading = await readSource(await openWith(server, auth, { request }))
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), [1])

    const refused = await readSource(await openWith(server, { ...auth, key: 'canary-other' }, { request }))
    assert.equal(refused.error?.code, 'SOURCE_REFUSED')
    assert.doesNotMatch(wordsOf(refused), /canary/)
  })
}

test('a signature can cover the body and have its own header', async (context) => {
  const server = await startServer(context, ({ headers, body, method }, response) => {
    const stamp = String(headers['x-time'])
    assert.match(stamp, /^\d{13}$/)
    const expected = createHmac('sha256', CANARY).update(`${stamp}.${method}.${body}`).digest('base64')
    send(response, headers['x-signature'] === `v1=${expected},t=${stamp}` ? [{ id: 1 }] : [])
  })
  const auth = {
    type: 'hmac',
    key: CANARY,
    encoding: 'base64',
    sign: '{date}.{method}.{body}',
    header: 'X-Signature',
    value: 'v1={signature},t={date}',
    date: { header: 'X-Time', format: 'unixMs' },
  }
  const request = { method: 'POST', url: `${server.origin}/events`, body: { a: 'b' } }
  const reading = await readSource(await openWith(server, auth, { request }))
  assert.deepEqual(idsOf(reading.lines), [1])
})

const TLS = fixture('tls')

test('sends a client certificate, and trusts a server by a CA file', async (context) => {
  const server = createServer(
    {
      cert: await readFile(join(TLS, 'server.pem')),
      key: await readFile(join(TLS, 'server-key.pem')),
      ca: await readFile(join(TLS, 'ca.pem')),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_request, response) => send(response, [{ id: 1 }]),
  )
  const port = await listen(server)
  context.after(() => server.close())
  const open = (tls: object) =>
    openSource({ type: 'http', request: { url: `https://127.0.0.1:${port}/events` }, tls, ...QUICK })
  const [cert, key, ca] = ['client.pem', 'client-key.pem', 'ca.pem'].map((name) => join(TLS, name))

  const reading = await readSource(await open({ cert, key, ca }))
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), [1])
  const unknown = await readSource(await open({ cert, key }))
  assert.match(unknown.error?.message ?? '', /no response from https:\/\/127.0.0.1:\d+: .*(certificate|issuer)/)
  const without = await readSource(await open({ ca }))
  assert.equal(without.error?.code, 'SOURCE_UNAVAILABLE')
})

async function reportOf(config: object): Promise<string> {
  const problems = await problemsOf({ type: 'http', request: { url: 'https://api.example.com' }, ...config })
  return problems.map(({ message, hint = '' }) => `${message} | ${hint}`).join('\n')
}

test('reports incomplete credentials before anything runs', async () => {
  const key = { type: 'apiKey', key: 'k' }
  assert.match(await reportOf({ auth: key }), /exactly one location \| set header or query/)
  assert.match(await reportOf({ auth: { ...key, header: 'a', query: 'b' } }), /exactly one location/)
  const hmac = { type: 'hmac', key: 'k', sign: '{dat}' }
  assert.match(await reportOf({ auth: hmac }), /unknown placeholder \{dat\} .*"date"/)
  assert.match(await reportOf({ auth: { ...hmac, sign: 'x', value: '{signatur}' } }), /"signature"/)
  assert.match(
    await reportOf({ auth: { type: 'hmac', sign: 'x' } }),
    /auth of source http is missing the key "key" \| key: /,
  )
  const refresh = { type: 'oauth2RefreshToken', tokenUrl: 'https://a.example', clientId: 'a', refreshToken: 'r' }
  assert.match(await reportOf({ auth: refresh }), /auth of source http is missing the key "tokenFile"/)
  assert.match(await reportOf({ auth: { ...refresh, tokenFile: 'a', tokenUrl: 'http://a.example' } }), /is not https/)
  assert.match(await reportOf({ tls: { cert: join(TLS, 'client.pem') } }), /cert and key need each other/)
  assert.match(await reportOf({ tls: { ca: 'absent.pem' } }), /absent.pem/)
})

test('each type of credentials has exactly its own keys', async () => {
  const types = 'apiKey, basic, bearer, oauth2ClientCredentials, oauth2RefreshToken, oauth2JwtBearer, hmac'
  assert.equal(await reportOf({ auth: {} }), `auth of source http is missing the key "type" | one of ${types}`)
  assert.equal(
    await reportOf({ auth: { token: 't' } }),
    `auth of source http is missing the key "type" | one of ${types}`,
  )
  assert.equal(
    await reportOf({ auth: { type: 'baerer', token: 't' } }),
    `auth.type of source http must be one of ${types}, but is "baerer" | did you mean "bearer"?`,
  )
  assert.equal(
    await reportOf({ auth: { type: 'bearer', token: 't', username: 'u' } }),
    'unknown key "username" in auth of source http | known keys: type, token',
  )
  assert.equal(
    await reportOf({ auth: { type: 'hmac', key: 'k', sign: 'x', algorithm: 'md5' } }),
    'auth.algorithm of source http must be one of sha1, sha256, sha512, but is "md5" | ',
  )
  assert.equal(await reportOf({ auth: { type: 'bearer', token: 't' } }), '')
})
