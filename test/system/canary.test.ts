import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { fieldRows } from '../../src/config/field-rows.ts'
import { loadComponents } from '../../src/registry.ts'
import { filesBelow, leaksIn } from '../support/leaks.ts'
import { openProject } from '../support/cli-project.ts'
import { listen } from '../support/listen.ts'

const components = await loadComponents()

/** Every secret field of a built-in component, and the sources in which this test plants it. */
const PLANTED: { readonly [field: string]: string } = {
  'http auth.key': "auth: { type: apiKey, query: key, key: '${env:S}' }",
  'http auth.password': "auth: { type: basic, username: me, password: '${env:S}' }",
  'http auth.token': "auth: { type: bearer, token: '${env:S}' }",
  'http auth.clientSecret':
    "auth: { type: oauth2ClientCredentials, tokenUrl: 'API/token', clientId: me, clientSecret: '${env:S}' }",
  'http auth.refreshToken':
    "auth: { type: oauth2RefreshToken, tokenUrl: 'API/token', clientId: me, refreshToken: '${env:S}', tokenFile: token.json }",
  'jumpcloud apiKey': "apiKey: '${env:S}'",
  'jumpcloud serviceAccount.clientSecret':
    "serviceAccount: { clientId: me, clientSecret: '${env:S}', tokenUrl: 'API/token' }\n  organizations: [a]",
}
/** Secret fields that no request carries, with the place where they are tested. */
const ELSEWHERE = new Set(['http tls.passphrase', 'redact rules[].key'])

const SECRET = 'canary/7+Xq=&"Zw-of the field'
const ACCESS = 'canary-access-token.8Jk'

test('every secret field of the built-in components is planted here', () => {
  const declared = components.flatMap(({ type, fields }) =>
    fieldRows(fields).flatMap(({ name, type: kind }) => (kind.includes('(secret)') ? [`${type} ${name}`] : [])),
  )
  assert.deepEqual(
    declared.filter((field) => PLANTED[field] === undefined && !ELSEWHERE.has(field)),
    [],
  )
})

for (const [field, yaml] of Object.entries(PLANTED)) {
  test(`${field}: an API that quotes it everywhere, with control characters, reveals nothing`, async (t) => {
    let broken = 'nothing'
    const server = createServer((request, response) => {
      request.resume()
      const quoted = `${request.url} ${JSON.stringify(request.headers)} ${SECRET} \u001b[2J\u202e\n2026-01-01 forged`
      const safe = encodeURIComponent(quoted).slice(0, 2000)
      const json = { 'content-type': 'application/json', 'x-request-id': safe, date: new Date().toUTCString() }
      if (request.url === '/token') {
        response.writeHead(broken === 'tokens' ? 400 : 200, json)
        response.end(JSON.stringify({ access_token: ACCESS, error: quoted, error_description: quoted, expires_in: 60 }))
        return
      }
      const isBroken = broken === 'pages'
      response.writeHead(isBroken ? 401 : 200, {
        ...json,
        link: `</next?${safe}>; rel=prev`,
        'x-result-count': '1',
        'x-limit': '9',
      })
      response.end(isBroken ? JSON.stringify({ message: quoted, error: { message: quoted } }) : '[{"id":1}]')
    })
    const api = `http://127.0.0.1:${await listen(server)}`
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const [type = ''] = field.split(' ')
    const options =
      type === 'http'
        ? `request: { url: '${api}/events', headers: { x-team: '\${env:S}' } }\n  retry: { attempts: 1 }`
        : `baseUrl: '${api}'\n  count: false\n  window: { since: 1d, repair: 0s }\n  retry: { attempts: 1 }`
    const workspace = await openProject(t, {
      'thrower.js': `export default (record) => record.reject('BAD', process.env.S + '\\u001b[2J')`,
      'pipelines/p.yaml': `source:
  type: ${type}
  ${options}
  ${yaml.replaceAll('API', api)}
transforms: [{ type: ../thrower.js }, { type: dedup, key: id }]
sink: { type: file, path: out, key: all }
tests: [{ name: rejects, input: [{ id: 1 }], expect: { rejects: [] } }]
`,
    })
    const env = { S: SECRET }
    const secrets = { field: SECRET, token: ACCESS }
    const commands = [
      ['check', 'p'],
      ['check', 'p', '--json'],
      ['check', 'p', '--connect'],
      ['preview', 'p'],
      ['test', 'p'],
      ['run', 'p', '--report', 'r.json'],
      ['run', 'p', '--json', '--report', 'j.json'],
      ['state', 'show', 'p'],
      ['state', 'show', 'p', '--json'],
      ['rejects', 'show', 'p'],
      ['rejects', 'show', 'p', '--json'],
      ['verify', 'p'],
    ]
    for (broken of ['nothing', 'pages', 'tokens']) {
      for (const command of commands) {
        const { stdout, stderr } = await workspace.sluice(command, { env })
        const text = stdout + stderr
        assert.deepEqual(leaksIn(text, secrets), [], `${command.join(' ')}: ${text}`)
        assert.doesNotMatch(text, /(?![\n\t])[\p{Cc}\p{Cf}]|^2026-01-01 forged/mu, command.join(' '))
      }
    }
    for (const [path, bytes] of await filesBelow(workspace.folder)) {
      if (!path.endsWith('token.json')) assert.deepEqual(leaksIn(bytes, secrets), [], path)
    }
  })
}
