import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { PipelineSecrets } from '../../src/observe/pipeline-secrets.ts'
import {
  addSecret,
  forgetSecrets,
  hideInJson,
  hideSecrets,
  isSealed,
  learnSecret,
  maskSecrets,
  sealSecrets,
  unsealSecrets,
} from '../../src/observe/secrets.ts'

const SECRET = 'p/q+r=s&t<u>"v\'w\\x y%z\u00e9-1234'

beforeEach(forgetSecrets)

const spellings: { readonly [name: string]: (secret: string) => string } = {
  plain: (secret) => secret,
  'percent-encoded': encodeURIComponent,
  'percent-encoded in lower case': (secret) =>
    encodeURIComponent(secret).replaceAll(/%../g, (hex) => hex.toLowerCase()),
  'percent-encoded completely, twice': (secret) => encodeURIComponent(everyByte(secret)),
  'a form': (secret) => new URLSearchParams({ a: secret }).toString(),
  'the query of a URL': (secret) => new URL(`https://a.example/?k=${encodeURIComponent(secret)}`).search,
  JSON: (secret) => JSON.stringify({ secret }),
  'percent-encoded JSON': (secret) => encodeURIComponent(JSON.stringify({ secret })),
  'percent-encoded JSON in JSON': (secret) => encodeURIComponent(JSON.stringify(JSON.stringify({ secret }))),
  'JSON in JSON': (secret) => JSON.stringify(JSON.stringify({ secret })),
  'JSON with escaped slashes': (secret) => JSON.stringify(secret).replaceAll('/', '\\/'),
  'JSON of Go and .NET': (secret) =>
    JSON.stringify(secret).replaceAll(/[<>&'+/]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
  HTML: (secret) =>
    secret.replaceAll(
      /[&<>"']/g,
      (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? '&#39;',
    ),
  'HTML with hex references': (secret) => secret.replaceAll(/\W/g, (char) => `&#x${char.charCodeAt(0).toString(16)};`),
  base64: (secret) => Buffer.from(secret).toString('base64'),
  base64url: (secret) => Buffer.from(secret).toString('base64url'),
  'base64 of a Basic header': (secret) => Buffer.from(`user:${secret}`).toString('base64'),
  'base64 of a Basic header, with another user': (secret) => Buffer.from(`users:${secret}`).toString('base64'),
  'base64 within JSON': (secret) => Buffer.from(`{"key":"${secret}","page":2}`).toString('base64'),
  hex: (secret) => Buffer.from(secret).toString('hex'),
  'hex in upper case': (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
}

for (const [name, spell] of Object.entries(spellings)) {
  test(`hides a secret spelled as ${name}`, () => {
    addSecret(SECRET)
    const text = spell(SECRET)
    const hidden = hideSecrets(`before ${text} after`)
    assert.match(hidden, /^before .*\*\*\*.* after$/)
    // The borders of base64 may keep a few bits of a neighbour.
    for (let at = 0; at + 8 <= text.length; at++) {
      const part = text.slice(at, at + 8)
      if (/1234|x y|%z|x%20y|x\+y/.test(part)) assert.ok(!hidden.includes(part), `${part} in ${hidden}`)
    }
    assert.ok(hidden.length < text.length + 14 - 20, hidden)
  })
}

test('hides overlapping secrets as one, so that no end of a longer one stays', () => {
  addSecret('abc-12345')
  addSecret('12345-secret-tail')
  addSecret('abc')
  assert.equal(hideSecrets('key abc-12345-secret-tail!'), 'key ***!')
})

test('hides each line of a secret with several lines, and the parts of a long one', () => {
  const body = Buffer.alloc(900, 'K3y/').toString()
  addSecret(`-----BEGIN PRIVATE KEY-----\nfirst-line-of-the-key\n${body}\n-----END PRIVATE KEY-----\n`)
  assert.equal(hideSecrets('bad line first-line-of-the-key'), 'bad line ***')
  assert.ok(!hideSecrets(body.slice(0, 300)).includes(body.slice(0, 64)))
  assert.equal(hideSecrets('-----BEGIN PRIVATE KEY-----'), '-----BEGIN PRIVATE KEY-----')
})

test('hides a short declared secret only where it stands alone, and keeps short words from the environment', () => {
  addSecret('k9')
  addSecret('prod', { kind: 'possible' })
  addSecret('v2x9', { kind: 'possible' })
  assert.equal(hideSecrets('key=k9, folk9, prod, v2x9, av2x9b'), 'key=***, folk9, prod, ***, av2x9b')
})

test('a value that is certain and possible is certain, in either order', () => {
  addSecret('hunter', { kind: 'possible' })
  addSecret('hunter')
  addSecret('walker')
  addSecret('walker', { kind: 'possible' })
  assert.equal(hideSecrets('hunters and walkers'), '***s and ***s')
})

test('hides texts and keys of JSON, and no number', () => {
  addSecret('12345')
  assert.deepEqual(hideInJson({ a: ['x12345', 12345], k12345: null }), { a: ['x***', 12345], 'k***': null })
})

test('masks a secret at its own length', () => {
  addSecret('hunter22')
  assert.equal(maskSecrets('a: hunter22 # x'), 'a: ******** # x')
})

test('remembers learned tokens, but not an endless number of them', () => {
  addSecret('configured-secret')
  for (let i = 0; i < 1000; i++) learnSecret(`token-number-${i}.`)
  assert.equal(hideSecrets('token-number-999. token-number-950. configured-secret'), '*** *** ***')
  assert.equal(hideSecrets('token-number-1.'), 'token-number-1.')
})

test('seals a secret in a stored text by its name, and puts the value of today back', () => {
  addSecret('old/key+1', { name: 'env.K' })
  const link = `https://a.example/p?key=${encodeURIComponent('old/key+1')}&page=2`
  const sealed = sealSecrets({ cursor: JSON.stringify(link), hours: [1, 2] })
  assert.ok(!JSON.stringify(sealed).includes('old'), JSON.stringify(sealed))
  assert.deepEqual(unsealSecrets(sealed), { cursor: JSON.stringify(link), hours: [1, 2] })
  forgetSecrets()
  assert.ok(isSealed(unsealSecrets(sealed).cursor), 'the name is unknown')
  addSecret('new=key', { name: 'env.K' })
  assert.equal(unsealSecrets(sealed).cursor, JSON.stringify('https://a.example/p?key=new%3Dkey&page=2'))
})

test('an API cannot ask for a secret with a cursor that looks sealed', () => {
  addSecret('s3-credential', { name: 'env.AWS_SECRET_ACCESS_KEY' })
  for (const cursor of ['{secret:plain:env.AWS_SECRET_ACCESS_KEY}', '{secret:-}', '{secret:{secret:-}', '{secret:'])
    assert.equal(unsealSecrets(sealSecrets(cursor)), cursor)
})

test('two pipelines may have two values of one name, and neither gets that of the other', () => {
  const [one, other, third] = [new PipelineSecrets(), new PipelineSecrets(), new PipelineSecrets()]
  one.add('key-of-one', { kind: 'certain', name: 'env.API_KEY' })
  other.add('key-of-other', { kind: 'certain', name: 'env.API_KEY' })
  const sealed = one.seal('https://a.example/p?key=key-of-one')
  assert.ok(!sealed.includes('key-of-one'), sealed)
  assert.equal(one.unseal(sealed), 'https://a.example/p?key=key-of-one')
  assert.equal(other.unseal(sealed), 'https://a.example/p?key=key-of-other')
  assert.ok(isSealed(third.unseal(sealed)), 'the third pipeline has no such variable')
})

test('hides the secrets of a pipeline during its runs and some time after, and then forgets them', () => {
  addSecret('permanent-secret')
  const used = new PipelineSecrets()
  used.add('used-by-two-pipelines', { kind: 'certain', name: 'env.SHARED' })
  used.add('permanent-secret', { kind: 'certain', name: 'env.P' })
  for (let run = 0; run < 1000; run++) {
    const secrets = new PipelineSecrets()
    secrets.add(`secret-of-run-${run}.`, { kind: 'certain', name: 'env.TOKEN' })
    secrets.add('used-by-two-pipelines', { kind: 'certain', name: 'env.SHARED' })
    secrets.add('permanent-secret', { kind: 'certain', name: 'env.P' })
    secrets.hold()
    secrets.drop()
  }
  assert.equal(hideSecrets('secret-of-run-999. used-by-two-pipelines permanent-secret'), '*** *** ***')
  assert.equal(hideSecrets('secret-of-run-1.'), 'secret-of-run-1.')
  used.drop()
  for (let i = 0; i < 1000; i++) learnSecret(`token-number-${i}.`)
  assert.equal(hideSecrets('used-by-two-pipelines permanent-secret'), 'used-by-two-pipelines ***')
  used.hold()
  assert.equal(hideSecrets('used-by-two-pipelines'), '***')
})

function everyByte(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}
