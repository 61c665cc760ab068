import assert from 'node:assert/strict'
import { test } from 'node:test'
import redact from '../../../src/transforms/redact.ts'
import { runStage } from '../stage.ts'

const M = '[redacted]'

test('masks every spelling of a name, and numbers too', async () => {
  for (const name of [
    'x-api-key',
    'api-key',
    'API Key',
    'passwd',
    'passWord',
    'authorization',
    'cookie',
    'private-key',
    'access_key',
    'jwt',
    'backup_codes',
    'psk',
    'otp',
    'pin',
  ]) {
    await assertMasked({ [name]: 'abc' }, { [name]: M })
    await assertMasked({ [name]: 123456 }, { [name]: M })
    await assertMasked({ changes: [{ field: name, from: 1, to: 'b' }] }, { changes: [{ field: name, from: M, to: M }] })
  }
})

test('keeps flags, null, times and names that only speak of a secret', async () => {
  await assertKept({ changes: [{ field: 'totp_enabled', from: true, to: false }] })
  await assertKept({ changes: [{ field: 'password', from: null, to: true }] })
  await assertKept({
    changes: [{ field: 'password', from: '2024-03-04T18:01:26Z', to: '2024-03-04 18:01:26.123+01:00' }],
  })
  await assertKept({ sudo: { passwordless_sudo: 'yes' }, token_name: 'ci', token_tag: 'a1', token_status: 'active' })
  await assertKept({ footprint: 'a', secretary_name: 'b', recovery_email: 'c@example.com', requestApiTokenId: 'd' })
})

test('keeps references to secrets and permission levels, also in objects', async () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-x1'
  await assertKept({ masterUserSecret: arn, credentials: { credentialsParameter: arn }, secretIdList: [arn, 'db'] })
  await assertKept({ permissions: { secrets: 'read', organization_secrets: 'write' } })
  await assertKept({ responseElements: { GetSigninToken: 'Success', PasswordRecoveryRequested: 'Success' } })
  await assertKept({ serviceEventDetails: { CredentialChallenge: 'Success', CredentialVerification: 'Failure' } })
  await assertKept({ changes: { password: { from: '2024-03-04T18:01:26Z', to: '2024-05-04T18:01:26Z' } } })
  await assertKept({ requestParameters: { encryptionKey: 'arn:aws-cn:kms:cn-north-1:123456789012:key/1234' } })
  await assertMasked({ password: 'arn:', token: 'readme' }, { password: M, token: M })
  await assertMasked({ password: { a: arn, b: 'x' } }, { password: M })
})

test('reads names as CloudTrail and lists write them', async () => {
  await assertMasked(
    { aPIKey: 'a', sSECustomerKey: 'b', qRCodePNG: 'c', privateKeyBase64: 'd', 'x-amz-mfa': 'serial 123456' },
    { aPIKey: M, sSECustomerKey: M, qRCodePNG: M, privateKeyBase64: M, 'x-amz-mfa': M },
  )
  await assertKept({
    tokenIds: ['a'],
    secretIdList: ['b'],
    subjectFromWebIdentityToken: 'c',
    secretVersionForToken: 'd',
  })
  await assertKept({ lockToken: 'a', nextSequenceToken: 'b', grantTokens: ['c'], maxTokensToSample: 100 })
  await assertMasked(
    { launchTemplateSpecificationUserData: 'IyEvYmluL2Jhc2gKZWNobyBoZWxsbw==', passwordList: ['x'] },
    { launchTemplateSpecificationUserData: M, passwordList: M },
  )
})

test('keeps the id and the kind of a credential, and masks the rest of it', async () => {
  await assertMasked(
    { credentials: { accessKeyId: 'ASIAIOSFODNN7EXAMPLE', sessionToken: 'abc', expiration: 'Mar 4', n: [1, 'x'] } },
    { credentials: { accessKeyId: 'ASIAIOSFODNN7EXAMPLE', sessionToken: M, expiration: 'Mar 4', n: [M, M] } },
    false,
  )
  await assertMasked({ token: { id: 't', value: 'x', scopes: ['a'] } }, { token: { id: 't', value: M, scopes: ['a'] } })
  await assertMasked(
    { credential: { type: 'otp', password: { policy: { min: 8 }, x: { y: 'z' } } } },
    { credential: { type: 'otp', password: { policy: { min: 8 }, x: { y: M } } } },
  )
  await assertMasked({ token: { value: 'x' } }, { token: M })
  await assertMasked(
    { otp: { enroll: 'REQUIRED', has_seed: 'yes', number_1: 'x' } },
    { otp: { enroll: 'REQUIRED', has_seed: 'yes', number_1: M } },
  )
})

test('masks the values beside a secret name, in any order and at any depth', async () => {
  await assertMasked(
    {
      headers: [
        { name: 'Authorization', value: 'x' },
        { value: 'a=b', id: 1, name: 'Cookie' },
        { name: 'Accept', value: 'y' },
      ],
    },
    {
      headers: [
        { name: 'Authorization', value: M },
        { value: M, id: 1, name: 'Cookie' },
        { name: 'Accept', value: 'y' },
      ],
    },
  )
  await assertMasked(
    { d: { ModifiedProperties: [{ Name: 'ClientSecret', NewValue: '["a"]', OldValue: '[]' }] } },
    { d: { ModifiedProperties: [{ Name: 'ClientSecret', NewValue: M, OldValue: M }] } },
  )
  await assertMasked({ a: { key: 'api_key', old: 'a', new: { b: 1 } } }, { a: { key: 'api_key', old: M, new: M } })
  await assertMasked(
    { field: 'password', meta: { field: 'x', to: 1 }, to: 'b' },
    { field: 'password', meta: { field: 'x', to: 1 }, to: M },
  )
  await assertKept({
    parameters: [{ name: 'token_status', value: 'active' }],
    name: 'password reset',
    value: { a: true },
  })
})

test('masks the value after a secret name in a list of headers', async () => {
  await assertMasked(
    {
      h: [
        ['Authorization', 'Bearer x'],
        ['Accept', 'y'],
      ],
      rawHeaders: ['Cookie', 'a=b', 'Host', 'h'],
    },
    {
      h: [
        ['Authorization', M],
        ['Accept', 'y'],
      ],
      rawHeaders: ['Cookie', M, 'Host', 'h'],
    },
  )
  await assertKept({ amr: [['password', 'otp']] })
})

test('redacts JSON inside strings, and keeps the spelling of the rest', async () => {
  await assertMasked(
    { a: '{"password":"hunter2", "n":1e400,\n"p":[{"name":"Authorization","value":"q"}]}' },
    { a: `{"password":"${M}", "n":1e400, "p":[{"name":"Authorization","value":"${M}"}]}` },
  )
  await assertMasked({ a: '[{"token":"x"}]' }, { a: `[{"token":"${M}"}]` })
  await assertMasked(
    { a: JSON.stringify({ b: JSON.stringify({ password: 'x' }) }) },
    { a: JSON.stringify({ b: JSON.stringify({ password: M }) }) },
  )
  await assertMasked({ a: 'cut: {"password":"x y","user":"bob' }, { a: `cut: {"password":"${M}","user":"bob` })
  await assertKept({ a: '{"token_name":"ci"}', b: 'a "quoted" text', c: 'C:\\Users\\bob' })
})

test('masks secrets in URLs, commands and header lines, and keeps the rest of the text', async () => {
  await assertMasked(
    { u: 'https://x.y/cb?token=abc&access_token=zzz&x=1#id_token=qq' },
    { u: `https://x.y/cb?token=${M}&access_token=${M}&x=1#id_token=${M}` },
  )
  await assertMasked({ u: 'https://bob:p@ss@host/x' }, { u: `https://bob:${M}@host/x` })
  await assertMasked({ u: 'https://h/p?code=abc&state=1' }, { u: `https://h/p?code=${M}&state=1` })
  await assertMasked(
    { c: 'run --password=hunter2 --user bob --token a1b2' },
    { c: `run --password=${M} --user bob --token ${M}` },
  )
  await assertMasked({ c: 'export GITHUB_TOKEN=abc' }, { c: `export GITHUB_TOKEN=${M}` })
  await assertMasked({ c: 'Cookie: a=b; c=d' }, { c: `Cookie: ${M}` })
  await assertKept({
    a: 'Password: changed by admin',
    b: 'arn:aws:secretsmanager:us-east-1:1:secret:prod/db',
    c: 'https://x.y/a?page=2',
  })
  await assertKept({ a: 'Basic authentication failed', b: 'uid=jane,ou=Users,dc=example' })
})

/** Made up, in the documented form. They are cut in two so that scanners of this repository ignore them. */
const FORMS = [
  ['ey', 'JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk'],
  ['AK', 'IAIOSFODNN7EXAMPLE'],
  ['xo', 'xb-1234567890-abcdef'],
  ['gh', 'p_abcdefghijklmnopqrstuvwxyz0123456789'],
  ['github', '_pat_11ABCDEFG0abcdefghijkl'],
  ['gl', 'pat-abcdefghijklmnopqrst'],
  ['s', 'k-proj-abcdefghij1234567890'],
  ['sk', '_live_abcdefghijklmnop'],
  ['AI', 'zaSyA1234567890abcdefghijklmnopqrstu'],
  ['ya', '29.a0AfH6SMBabcdefghij'],
  ['S', 'G.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz'],
  ['npm', '_abcdefghijklmnopqrstuvwxyz0123456789'],
  ['pypi', '-AgEIcHlwaS5vcmcCJDAwMDAw'],
  ['dop', '_v1_0123456789abcdef0123456789abcdef'],
  ['hv', 's.CAESIAbcdefghijklmnop'],
  ['AT', 'ATT3xFfGF0abcdefghijklmnop'],
] as const

test('finds secrets by their form, alone and in a text, whatever their key is called', async () => {
  for (const [start, rest] of FORMS) {
    const secret = start + rest
    await assertMasked({ note: secret }, { note: M })
    await assertMasked({ list: ['a', `login with ${secret}, denied`] }, { list: ['a', `login with ${M}, denied`] })
  }
  const pem = `-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----`
  await assertMasked({ note: `a ${pem} b` }, { note: `a ${M} b` })
  await assertMasked({ note: 'used Bearer abc123def456' }, { note: `used Bearer ${M}` })
  await assertMasked(
    { note: 'https://hooks.slack.com/services/T000/B000/XXXXXXXX' },
    { note: `https://hooks.slack.com/services/${M}` },
  )
})

test('keeps an access key id under a name that ends in id, and masks it elsewhere', async () => {
  const id = ['AKIA', 'IOSFODNN7EXAMPLE'].join('')
  await assertKept({ userIdentity: { accessKeyId: id } })
  await assertMasked({ message: `used ${id}` }, { message: `used ${M}` })
})

test('reads hostile records in linear time', async () => {
  const names = `{"a":[${'{"field":"password","x":1},'.repeat(20_000)}1]}`
  const same = `{${'"name":"password","value":1,'.repeat(20_000)}"z":1}`
  const starts = JSON.stringify({
    a: 'eyJ'.repeat(60_000),
    b: 'Bearer '.repeat(25_000),
    c: 'password='.repeat(25_000),
  })
  const quotes = JSON.stringify({ a: '"a":'.repeat(50_000), b: 'a b c '.repeat(50_000) + 'password: x' })
  const repeated = [
    '<a>',
    '<password ',
    'a%25',
    '%25',
    ' -u a:',
    ' name="a"',
    '-----BEGIN ',
    'Private-Lines: 1 ',
    '\\\\"',
  ]
  const texts = JSON.stringify(repeated.map((text) => `${text.repeat(5_000)} </ %3D value= = `))
  const { lines } = await runStage(redact, {}, [names, same, starts, quotes, `{"a":${texts}}`])
  assert.ok(!lines[1].includes('"value":1'))
  assert.equal(lines.length, 5)
})

async function assertKept(record: object): Promise<void> {
  await assertMasked(record, record)
}

/** Also when the record is spelled with spaces and escapes. */
async function assertMasked(record: object, expected: object, isSpaced = true): Promise<void> {
  const spaced = JSON.stringify(record, undefined, 1).replaceAll('\n', ' ')
  const { lines } = await runStage(redact, {}, isSpaced ? [record, spaced] : [record])
  for (const line of lines) assert.deepEqual(JSON.parse(line), expected)
}
