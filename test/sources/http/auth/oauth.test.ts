import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fixture } from '../../../support/paths.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from '../read-source.ts'
import type { Reading, TestServer } from '../read-source.ts'

interface Answer {
  readonly status?: number
  readonly headers?: { readonly [name: string]: string }
  readonly body: unknown
}

interface TokenServer extends TestServer {
  /** The requests for a token: their form and headers. */
  readonly grants: { readonly form: URLSearchParams; readonly authorization: string | undefined }[]
}

/** Accepts the token `canary-token-N` of the latest answer at `/events`. */
async function startTokenServer(
  context: TestContext,
  answer: (form: URLSearchParams, number: number) => Answer = () => ({ body: {} }),
): Promise<TokenServer> {
  const grants: TokenServer['grants'] = []
  const server = await startServer(context, ({ url, headers, body }, response) => {
    if (url.pathname === '/events') {
      const good = headers.authorization === `Bearer canary-token-${grants.length}`
      response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' })
      response.end(good ? `[{"id":${grants.length}}]` : '{}')
      return
    }
    const form = new URLSearchParams(body)
    grants.push({ form, authorization: headers.authorization })
    const { status = 200, headers: more, body: content } = answer(form, grants.length)
    const token = { access_token: `canary-token-${grants.length}`, token_type: 'Bearer', expires_in: 3600 }
    response.writeHead(status, { 'content-type': 'application/json', ...more })
    response.end(
      typeof content === 'string'
        ? content
        : JSON.stringify(status === 200 ? { ...token, ...Object(content) } : content),
    )
  })
  return { ...server, grants }
}

async function read(server: TestServer, auth: object, more: object = {}): Promise<Reading> {
  const request = { url: `${server.origin}/events` }
  return readSource(
    await openSource({
      type: 'http',
      request,
      auth: { tokenUrl: `${server.origin}/token`, ...auth },
      ...QUICK,
      ...more,
    }),
  )
}

const CLIENT = { type: 'oauth2ClientCredentials', clientId: 'my-id', clientSecret: 'canary/secret +1' }

test('sends the client secret in a header, form-encoded, or in the body', async (context) => {
  const server = await startTokenServer(context)
  assert.deepEqual(idsOf((await read(server, CLIENT)).lines), [1])
  assert.deepEqual(idsOf((await read(server, { ...CLIENT, clientAuth: 'client_secret_post' })).lines), [2])
  const [basic, post] = server.grants
  assert.equal(basic.authorization, `Basic ${Buffer.from('my-id:canary%2Fsecret+%2B1').toString('base64')}`)
  assert.equal(basic.form.toString(), 'grant_type=client_credentials')
  assert.equal(post.authorization, undefined)
  assert.deepEqual(Object.fromEntries(post.form), {
    grant_type: 'client_credentials',
    client_id: 'my-id',
    client_secret: CLIENT.clientSecret,
  })
})

test('sends further parameters, and another grant type as Zoom needs it', async (context) => {
  const server = await startTokenServer(context)
  const parameters = { grant_type: 'account_credentials', account_id: 'abc', audience: 'https://api.example' }
  const reading = await read(server, { ...CLIENT, scope: 'report:read', parameters })
  assert.deepEqual(idsOf(reading.lines), [1])
  assert.deepEqual(Object.fromEntries(server.grants[0].form), { ...parameters, scope: 'report:read' })
})

interface Jwt {
  readonly header: { readonly [name: string]: unknown }
  readonly claims: { readonly [name: string]: unknown }
}

function parse(part: string): Jwt['claims'] {
  const claims: Jwt['claims'] = JSON.parse(Buffer.from(part, 'base64url').toString())
  return claims
}

/** Checks the signature of an assertion, without the library that signed it. */
function verified(jwt: string | null, key: KeyObject, algorithm = 'sha256'): Jwt {
  const [header = '', claims = '', signature = ''] = (jwt ?? '').split('.')
  const options = key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' as const } : key
  const isEd = key.asymmetricKeyType === 'ed25519'
  const data = Buffer.from(`${header}.${claims}`)
  assert.ok(verify(isEd ? null : algorithm, data, options, Buffer.from(signature, 'base64url')))
  return { header: parse(header), claims: parse(claims) }
}

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = RSA.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

test('a Google service account is its JSON file and a scope', async (context) => {
  const server = await startTokenServer(context)
  const keyFile = join(await temporaryFolder(context), 'account.json')
  const account = {
    type: 'service_account',
    client_email: 'me@project.example',
    private_key: PEM,
    private_key_id: 'k1',
  }
  await writeFile(keyFile, JSON.stringify(account))
  const scope = 'https://www.googleapis.com/auth/admin.reports.audit.readonly'
  const reading = await read(server, { type: 'oauth2JwtBearer', keyFile, scope, subject: 'admin@example.com' })
  assert.equal(reading.error, undefined)
  const [{ form, authorization }] = server.grants
  assert.equal(form.get('grant_type'), JWT_BEARER)
  assert.equal(authorization, undefined)
  assert.equal(form.get('client_id'), null)
  const { header, claims } = verified(form.get('assertion'), RSA.publicKey)
  assert.deepEqual(header, { alg: 'RS256', typ: 'JWT', kid: 'k1' })
  const { iat, exp, jti, ...rest } = claims
  assert.deepEqual(rest, { iss: account.client_email, sub: 'admin@example.com', aud: `${server.origin}/token`, scope })
  assert.ok(Math.abs(Number(iat) - Date.now() / 1000) < 60 && Number(exp) - Number(iat) <= 3600)
  assert.match(String(jti), /^[\w-]{20,}$/)
  assert.doesNotMatch(wordsOf(reading), /canary|PRIVATE/)
})

const keys: { readonly [algorithm: string]: { publicKey: KeyObject; privateKey: KeyObject } } = {
  RS256: RSA,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
}

for (const [algorithm, { publicKey, privateKey }] of Object.entries(keys)) {
  test(`a client identifies itself by an assertion (private_key_jwt) with ${algorithm}`, async (context) => {
    const server = await startTokenServer(context)
    const spellings = [
      privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      privateKey
        .export({ type: 'pkcs8', format: 'pem' })
        .toString()
        .replaceAll('\n', String.raw`\n`),
      JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'k2' }),
    ]
    for (const key of spellings) {
      const reading = await read(server, {
        type: 'oauth2ClientCredentials',
        clientId: 'my-id',
        key,
        audience: 'https://idp.example',
      })
      assert.equal(reading.error, undefined)
    }
    const [{ form, authorization }, , jwk] = server.grants
    assert.equal(authorization, undefined)
    assert.equal(form.get('client_id'), 'my-id')
    assert.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const { header, claims } = verified(
      form.get('client_assertion'),
      createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
    )
    assert.deepEqual(header, { alg: algorithm, typ: 'JWT' })
    assert.deepEqual([claims['iss'], claims['sub'], claims['aud']], ['my-id', 'my-id', 'https://idp.example'])
    assert.equal(verified(jwk.form.get('client_assertion'), publicKey).header['kid'], 'k2')
  })
}

test('names the certificate of a key in an assertion, as Entra needs it', async (context) => {
  const server = await startTokenServer(context)
  const [keyFile, certificate] = ['client-key.pem', 'client.pem'].map((name) => join(fixture('tls'), name))
  const auth = { type: 'oauth2ClientCredentials', clientId: 'my-id', keyFile, certificate }
  assert.equal((await read(server, auth)).error, undefined)
  const publicKey = createPublicKey(await readFile(certificate))
  const { header } = verified(server.grants[0].form.get('client_assertion'), publicKey)
  assert.match(String(header['x5t']), /^[\w-]{27}$/)
  assert.match(String(header['x5t#S256']), /^[\w-]{43}$/)
})

test('an assertion that is refused because our clock is wrong is sent again with the time of the server', async (context) => {
  const ahead = 3_600_000
  const server = await startTokenServer(context, (form) => {
    const [, claims = ''] = (form.get('assertion') ?? '').split('.')
    const { iat }: { iat: number } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    const good = Math.abs(iat * 1000 - Date.now() - ahead) < 60_000
    const headers = { date: new Date(Date.now() + ahead).toUTCString() }
    return good ? { headers, body: {} } : { status: 400, headers, body: { error: 'invalid_grant' } }
  })
  const reading = await read(server, { type: 'oauth2JwtBearer', issuer: 'me', key: PEM })
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), [2])
})

test('takes tokens of servers that omit or misspell what the standard requires', async (context) => {
  const answers: unknown[] = [
    { token_type: undefined },
    { token_type: 'BearerToken', scope: null, refresh_token: null, id_token: 'x' },
    { token_type: 'BEARER', expires_in: null },
    { expires_in: '3600' },
    { expires_in: 'soon' },
    { expires_in: 1e300 },
    { expires_in: { seconds: 1 } },
  ]
  const server = await startTokenServer(context, (_form, number) => ({
    headers: { 'content-type': 'text/html' },
    body: answers[number - 1],
  }))
  for (const [at] of answers.entries()) {
    const paginate = { type: 'page', into: { query: 'page' }, maxPages: 3 }
    const reading = await read(server, CLIENT, { paginate })
    assert.deepEqual(idsOf(reading.lines), [at + 1], JSON.stringify(answers[at]))
    assert.equal(server.requests.length, 4 * (at + 1))
    assert.equal(server.grants.length, at + 1)
  }
})

test('a token that has expired on arrival serves one request', async (context) => {
  for (const expires of [0, -5, '0']) {
    const server = await startTokenServer(context, () => ({ body: { expires_in: expires } }))
    await read(server, CLIENT, { paginate: { type: 'page', into: { query: 'page' }, maxPages: 3 } })
    assert.equal(server.grants.length, 3)
  }
})

test('says what the token endpoint says, without secrets, and what to check', async (context) => {
  let answer: Answer = { body: {} }
  const server = await startTokenServer(context, () => answer)
  const cases: [answer: Answer, auth: object, words: RegExp, code?: string][] = [
    [
      { status: 401, body: { error: 'invalid_client', error_description: `bad\u001b[31m ${CLIENT.clientSecret}\n` } },
      CLIENT,
      /returned 401 \(invalid_client: bad \[31m \*\*\*\): check .* or set clientAuth: client_secret_post$/,
    ],
    [
      { status: 401, body: { error: 'invalid_client' } },
      { ...CLIENT, clientAuth: 'client_secret_post' },
      /set clientAuth: client_secret_basic$/,
    ],
    [{ status: 400, body: { error: 'invalid_scope' } }, CLIENT, /\(invalid_scope\): check the scope$/],
    [
      { status: 400, body: { error: 'unsupported_grant_type' } },
      CLIENT,
      /check the type of auth, parameters.grant_type/,
    ],
    [
      { status: 400, body: { error: 'invalid_grant' } },
      { type: 'oauth2JwtBearer', issuer: 'me', key: PEM },
      /\(invalid_grant\): check issuer, subject, audience, the key and the scope$/,
    ],
    [{ status: 400, body: { error: 'temporarily_unavailable' } }, CLIENT, /after 4 attempts/, 'SOURCE_UNAVAILABLE'],
    [
      { status: 522, body: '<html><title>522: timed out' },
      CLIENT,
      /522 \(522: timed out\), after 4/,
      'SOURCE_UNAVAILABLE',
    ],
    [{ status: 302, headers: { location: 'https://x.example' }, body: '' }, CLIENT, /returned 302/],
    [{ body: '{"ok":false,"error":"bad_client_secret"}' }, CLIENT, /sent no access_token \(bad_client_secret\)$/],
    [{ body: '{"access_token":"x","token_type":"mac"}' }, CLIENT, /is not a Bearer token/, 'SOURCE_FAILED'],
    [{ body: '{"access_token":17}' }, CLIENT, /sent no access_token, after 4 attempts/, 'SOURCE_UNAVAILABLE'],
    [{ body: '<html>' }, CLIENT, /sent no access_token, after 4 attempts/, 'SOURCE_UNAVAILABLE'],
  ]
  for (const [given, auth, words, code = 'SOURCE_REFUSED'] of cases) {
    answer = given
    const { error } = await read(server, auth)
    assert.match(error?.message ?? '', words)
    assert.equal(error?.code, code, error?.message)
  }
})

test('waits for the Retry-After of a token endpoint', async (context) => {
  const server = await startTokenServer(context, (_form, number) =>
    number === 1 ? { status: 429, headers: { 'retry-after': '0.03' }, body: {} } : { body: {} },
  )
  const reading = await read(server, CLIENT)
  assert.deepEqual(idsOf(reading.lines), [2])
  assert.equal(reading.notes[0]?.facts['waitMs'], 30)
})

test('a refusal by the token endpoint does not restart a window', async (context) => {
  const server = await startTokenServer(context, () => ({ status: 400, body: { error: 'invalid_grant' } }))
  const reading = await read(server, CLIENT, { window: { since: '1d', retention: '1d' } })
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.equal(server.grants.length, 1)
})

async function reportOf(auth: object): Promise<string> {
  const request = { url: 'https://api.example.com' }
  const all = { tokenUrl: 'https://idp.example/token', ...auth }
  const problems = await problemsOf({ type: 'http', request, auth: all })
  return problems.map(({ message, hint = '' }) => `${message.replace('source http: ', '')} | ${hint}`).join('\n')
}

test('reports which keys of OAuth go together', async (context) => {
  const key = { key: PEM }
  const client = { type: 'oauth2ClientCredentials', clientId: 'a' }
  const jwt = { type: 'oauth2JwtBearer', issuer: 'me' }
  const folder = await temporaryFolder(context)
  const keyFile = join(folder, 'key.pem')
  await writeFile(keyFile, PEM)
  const wrong = join(folder, 'wrong.pem')
  await writeFile(wrong, 'canary')
  const cases: [auth: object, expected: RegExp | ''][] = [
    [client, /^oauth2ClientCredentials needs clientSecret, key or keyFile \| $/],
    [{ ...client, clientSecret: 's' }, ''],
    [{ ...client, ...key }, ''],
    [{ ...client, clientSecret: 's', ...key }, /^clientSecret and a key exclude each other/],
    [{ ...client, ...key, keyFile }, /^key and keyFile exclude each other/],
    [{ ...client, clientSecret: 's', clientAuth: 'private_key_jwt' }, /^private_key_jwt needs key or keyFile/],
    [{ ...client, ...key, clientAuth: 'client_secret_post' }, /^client_secret_post needs clientSecret/],
    [{ ...client, clientSecret: 's', keyId: 'k' }, /^keyId needs key or keyFile/],
    [{ ...client, clientSecret: 's', algorithm: 'ES256' }, /^algorithm needs key or keyFile/],
    [jwt, /^oauth2JwtBearer needs key or keyFile/],
    [{ ...jwt, ...key }, ''],
    [{ type: 'oauth2JwtBearer', ...key }, /^oauth2JwtBearer needs issuer/],
    [{ type: 'oauth2JwtBearer', keyFile }, /^oauth2JwtBearer needs issuer: keyFile does not name one/],
    [{ ...jwt, keyFile: wrong }, /^auth\.keyFile is not a private key \| PEM/],
    [{ ...jwt, keyFile, certificate: wrong }, /^auth\.certificate is not a certificate/],
    [{ ...jwt, ...key, clientAuth: 'private_key_jwt' }, /^oauth2JwtBearer identifies itself by its assertion/],
    [
      { ...client, clientSecret: 's', parameters: { client_secret: 's' } },
      /^client_secret has a field of its own \| use clientSecret and clientAuth/,
    ],
    [{ ...client, clientSecret: 's', parameters: { scope: 's' } }, /^scope has a field of its own \| use scope/],
    [{ ...jwt, ...key, parameters: { grant_type: 'x' } }, /^the type oauth2JwtBearer sets grant_type/],
  ]
  for (const [auth, expected] of cases) {
    const report = await reportOf(auth)
    if (expected === '') assert.equal(report, '')
    else assert.match(report, expected)
    assert.doesNotMatch(report, /canary/)
  }
})

const JWT = { type: 'oauth2JwtBearer', issuer: 'me' }

for (const [name, key] of [
  ['with CRLF', PEM.replaceAll('\n', '\r\n')],
  ['with \\n', PEM.replaceAll('\n', String.raw`\n`)],
  ['with \\r\\n', PEM.replaceAll('\n', String.raw`\r\n`)],
  ['in quotation marks, as docker --env-file leaves them', JSON.stringify(PEM)],
  ['in one line', PEM.replaceAll('\n', ' ')],
  ['indented', PEM.replaceAll('\n', '\n    ')],
  [
    'after the parameters of its curve',
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${PEM}`,
  ],
] as const) {
  test(`takes a key from a variable: PEM ${name}`, async (context) => {
    const server = await startTokenServer(context)
    const reading = await read(server, { ...JWT, key })
    assert.deepEqual([reading.error, idsOf(reading.lines)], [undefined, [1]])
  })
}

test('an algorithm that does not fit the key is a mistake in the configuration', async (context) => {
  const server = await startTokenServer(context)
  const misfit = await read(server, { ...JWT, key: PEM, algorithm: 'ES256' })
  assert.equal(misfit.error?.code, 'CONFIG_INVALID')
  assert.match(misfit.error.message, /a key of the type rsa cannot sign with ES256/)
  const { error } = await read(server, { ...JWT, key: PEM, algorithm: 'PS384' })
  assert.equal(error, undefined)
})

test('an error with status 200 that may pass is tried again', async (context) => {
  const server = await startTokenServer(context, (_form, number) =>
    number > 1 ? { body: {} } : { body: '{"error":"temporarily_unavailable"}' },
  )
  const { error, lines } = await read(server, CLIENT)
  assert.deepEqual([error, idsOf(lines)], [undefined, [2]])
})

test('a token endpoint that redirects is named as such', async (context) => {
  const server = await startTokenServer(context, () => ({ status: 307, headers: { location: '/other' }, body: '' }))
  const { error } = await read(server, CLIENT)
  assert.match(error?.message ?? '', /returned 307: redirects are not followed: correct tokenUrl/)
})

test('an endpoint that quotes the request in base64 reveals no secret', async (context) => {
  const server = await startTokenServer(context, (form) => {
    const echo = Buffer.from(`xy${form.toString()}`)
    return { status: 400, body: { error: `${echo.toString('base64')} ${echo.toString('base64url')} end` } }
  })
  const post = { ...CLIENT, clientAuth: 'client_secret_post' }
  const { error } = await read(server, post)
  assert.match(error?.message ?? '', /returned 400 \(\*\*\* \*\*\* end\)/)
})
