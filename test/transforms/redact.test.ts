import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { RecordState } from '../../src/record/batch.ts'
import redact from '../../src/transforms/redact.ts'
import { createEventSet, SECRET_MARK } from '../servers/events.ts'
import type { Json } from '../../src/record/json/json.ts'
import { readString } from '../../src/record/json/json-text.ts'
import { checkStage, parse, runStage } from './stage.ts'
import { scaled } from '../support/scale.ts'

const M = '"[redacted]"'

test('masks secrets at any depth, however the key is spelled', async () => {
  await assertRedacted({}, [
    ['{"password":"hunter2"}', `{"password":${M}}`],
    ['{ "a" : [ {"ApiKey" : "x", "b":1} ] }', `{ "a" : [ {"ApiKey" : ${M}, "b":1} ] }`],
    ['{"pass\\u0077ord":"hunter2","PASSPHRASE":""}', `{"pass\\u0077ord":${M},"PASSPHRASE":${M}}`],
    ['{"ssh_keys":[{"public_key":"x"}],"recovery":{"a":1}}', `{"ssh_keys":${M},"recovery":${M}}`],
    ['{"\uff50\uff41\uff53\uff53word":"hunter2"}', `{"\uff50\uff41\uff53\uff53word":${M}}`],
    ['{"password":"a","password":"b"}', `{"password":${M},"password":${M}}`],
    ['{"token":{"token":"x","n":1e400},"n":1e400}', `{"token":${M},"n":1e400}`],
  ])
})

test('does not mask booleans, null and objects of booleans under secret names', async () => {
  const line = '{"sso_token_success":true,"auth_methods":{"password":{"success":true}},"totp":false,"recovery":null}'
  await assertRedacted({}, [
    [line, line],
    ['{"mfa":{"totp_enabled":false}}', '{"mfa":{"totp_enabled":false}}'],
    ['{"password":{"a":{"b" : true},"c":null},"token":{}}', '{"password":{"a":{"b" : true},"c":null},"token":{}}'],
    ['{"password":{"a":{"b" : "x"}},"token":{"c":[]}}', `{"password":${M},"token":${M}}`],
    ['{"totp":{"n":1},"otp":{"n":-1}}', `{"totp":${M},"otp":${M}}`],
    ['{"totp":{"token":"x","n":1}}', `{"totp":${M}}`],
  ])
})

test('masks both sides of a change whose field names a secret', async () => {
  await assertRedacted({}, [
    [
      '{"changes":[{"field":"password","from":"a","to":"b"},{"field":"name","from":"a","to":"b"}]}',
      `{"changes":[{"field":"password","from":${M},"to":${M}},{"field":"name","from":"a","to":"b"}]}`,
    ],
    ['{"changes":[{"to":[{"k":1}],"field":"SSH_keys"}]}', `{"changes":[{"to":${M},"field":"SSH_keys"}]}`],
    ['{"changes":[{"to":12,"from":null,"field":"totp"}]}', `{"changes":[{"to":${M},"from":null,"field":"totp"}]}`],
    ['{"changes":[{"field":"pass\\u0077ord","to":"b"}]}', `{"changes":[{"field":"pass\\u0077ord","to":${M}}]}`],
    [
      '{"changes":[{"field":"x","field":"password","to":"b"}]}',
      `{"changes":[{"field":"x","field":"password","to":${M}}]}`,
    ],
    [
      '{"changes":[{"field":"password","field":"x","to":"b"}]}',
      `{"changes":[{"field":"password","field":"x","to":${M}}]}`,
    ],
    [
      '{"changes":[],"changes":[{"field":"password","to":1}]}',
      `{"changes":[],"changes":[{"field":"password","to":${M}}]}`,
    ],
    ['{"changes":[{"field":["password"],"to":1}]}', `{"changes":[{"field":["password"],"to":${M}}]}`],
    ['{"changes":{"field":"name","to":1}}', '{"changes":{"field":"name","to":1}}'],
  ])
})

test('masks the payload of a command, whatever it is', async () => {
  await assertRedacted({}, [
    ['{"service":"mdm","command":{"id":1,"payload":"<plist>"}}', `{"service":"mdm","command":{"id":1,"payload":${M}}}`],
    ['{"command":{"payload":{"a":[1]}},"payload":1}', `{"command":{"payload":${M}},"payload":1}`],
  ])
})

test('removes every planted secret from generated events and changes nothing else', async () => {
  const events = createEventSet({ seed: 5, count: 600, start: Date.UTC(2026, 0, 1), end: Date.UTC(2026, 0, 2) })
  const lines = Array.from({ length: events.count }, (_, at) => events.text(at))
  assert.ok(lines.some((line) => line.includes(SECRET_MARK)))
  const { lines: redacted } = await runStage(redact, {}, lines)
  assert.equal(redacted.length, lines.length)
  assert.ok(!redacted.some((line) => line.includes(SECRET_MARK)))
  for (const [at, line] of lines.entries()) {
    if (!redacted[at].includes('[redacted]')) assert.equal(redacted[at], line)
  }
})

test('masks, drops and pseudonymises wherever the path of a rule matches', async () => {
  const rules = [
    { path: 'client_ip', action: 'hmac', key: 'secret' },
    { path: 'geoip.{latitude,longitude}', action: 'drop' },
    { path: 'tags[*]', action: 'mask', with: '"\n' },
  ]
  await assertRedacted({ preset: 'none', rules }, [
    ['{"client_ip":"10.1.2.3","password":"x"}', `{"client_ip":${hmac('secret', '10.1.2.3')},"password":"x"}`],
    ['{"client_ip":"10.1\\u002e2.3"}', `{"client_ip":${hmac('secret', '10.1.2.3')}}`],
    [
      '{"client_ip":"a","client_ip":1.50}',
      `{"client_ip":${hmac('secret', 'a')},"client_ip":${hmac('secret', '1.50')}}`,
    ],
    ['{"client_ip":null}', '{"client_ip":null}'],
    ['{"client_ip":["10.1.2.3"]}', `{"client_ip":${M}}`],
    ['{"geoip":{"latitude":1,"x":2 , "longitude":3}}', '{"geoip":{"x":2 }}'],
    ['{"geoip":{"latitude":1,"longitude":3}}', '{"geoip":{}}'],
    ['{"tags":["a",{"b":1}],"tags":[]}', String.raw`{"tags":["\"\n","\"\n"],"tags":[]}`],
  ])
})

test('creates pseudonyms that depend only on the key and the text', async () => {
  const [one, two] = [await pseudonymised('k1'), await pseudonymised('k2')]
  assert.deepEqual(one, { a: parse(hmac('k1', 'x')), b: parse(hmac('k1', 'x')) })
  assert.notDeepEqual(one, two)
})

test('creates different pseudonyms for texts that differ in lone surrogates', async () => {
  const texts = [
    '\\ud800',
    '\\ud801',
    '\ufffd',
    '\\udc00\\ud800',
    'a\\ud800',
    '\\ud83d\\ude00',
    '\\ude00\\ud83d',
    '\u00ed\u00a0\u0080',
    '',
  ]
  const rules = [{ path: 'v', action: 'hmac', key: 'k' }]
  const { lines } = await runStage(redact, { preset: 'none', rules }, [
    ...texts.map((text) => `{"v":"${text}"}`),
    '{"v":"\u{1f600}"}',
  ])
  assert.equal(new Set(lines).size, texts.length)
  assert.equal(lines[5], lines.at(-1), 'a pair of surrogates is a character')
  assert.equal(lines[2], `{"v":${hmac('k', '\ufffd')}}`)
})

test('tests a condition within the same array element, or within the record', async () => {
  const rules = [
    { path: 'changes[*].{from,to}', when: { field: '/phone/i' }, action: 'mask', with: 'P' },
    { path: 'note', when: { service: ['mdm', 'ldap'], 'by.type': { not: 'admin' } }, action: 'drop' },
    { path: 'a[*].b[*].v', when: { k: 1, 'o.p': { exists: false } }, action: 'mask', with: 'V' },
  ]
  await assertRedacted({ preset: 'none', rules }, [
    [
      '{"changes":[{"field":"phone","to":"1"},{"field":"name","to":"2"},{"to":"3"}]}',
      '{"changes":[{"field":"phone","to":"P"},{"field":"name","to":"2"},{"to":"3"}]}',
    ],
    ['{"note":1,"service":"mdm"}', '{"service":"mdm"}'],
    ['{"service":"ldap","by":{"type":"admin"},"note":1}', '{"service":"ldap","by":{"type":"admin"},"note":1}'],
    ['{"note":1,"service":"sso"}', '{"note":1,"service":"sso"}'],
    ['{"note":1,"service":"sso","service":"mdm"}', '{"service":"sso","service":"mdm"}'],
    ['{"note":1,"service":"mdm","service":"sso"}', '{"service":"mdm","service":"sso"}'],
    [
      '{"a":[{"k":1,"b":[{"v":1},{"v":2,"k":1}]},{"b":[{"k":1,"o":{"p":0},"v":3}]}]}',
      '{"a":[{"k":1,"b":[{"v":1},{"v":"V","k":1}]},{"b":[{"k":1,"o":{"p":0},"v":3}]}]}',
    ],
  ])
})

test('no duplicate key, hidden or visible, makes a condition skip a value', async () => {
  const rules = [
    { path: 'note', when: { public: { not: true } }, action: 'mask', with: 'N' },
    { path: 'l[*].v', when: { 'a.b': { exists: false } }, action: 'mask', with: 'V' },
  ]
  await assertRedacted({ preset: 'none', rules }, [
    ['{"note":1,"public":true}', '{"note":1,"public":true}'],
    ['{"note":1,"public":true,"public":false}', '{"note":"N","public":true,"public":false}'],
    ['{"l":[{"v":1,"a":{"b":1}}]}', '{"l":[{"v":1,"a":{"b":1}}]}'],
    ['{"l":[{"v":1,"a":{"b":1},"a":{}}]}', '{"l":[{"v":"V","a":{"b":1},"a":{}}]}'],
  ])
})

test('applies rules in order, and hmac keeps values that are already replaced', async () => {
  const rules = [
    { path: 'password', action: 'hmac', key: 'k' },
    { path: 'token', action: 'drop' },
    { path: 'secret', action: 'mask', with: 'S' },
    { path: 'secret', action: 'mask', with: 'T' },
    { path: 'gone', action: 'drop' },
    { path: 'gone', action: 'mask' },
  ]
  await assertRedacted({ rules }, [
    ['{"password":"a","token":"b","secret":"c","gone":1,"x":1}', `{"password":${M},"secret":"T","x":1}`],
  ])
})

test('redacts rejected and dropped records too', async () => {
  const { batches, rejects } = await runStage(
    redact,
    {},
    ['{"password":"a"}', '{"password":"b"}', '{"password":"c"}'],
    {
      before(batch) {
        batch.reject(0, 'NO_OWNER', 'owner')
        batch.drop(1, 'filter')
      },
    },
  )
  assert.deepEqual([...batches[0].states], [RecordState.rejected, RecordState.dropped, RecordState.live])
  for (const record of [0, 1, 2]) assert.equal(batches[0].line(record).toString(), `{"password":${M}}`)
  assert.equal(rejects[0].text, `{"password":${M}}`)
})

test('keeps the edits of earlier stages unless a rule matches', async () => {
  const { lines } = await runStage(redact, {}, ['{"password":{"a":1},"token":"x","name":"n"}'], {
    before(batch) {
      const [secret] = batch.hits(0, batch.paths.add('password'))
      batch.edit(secret, 1)
      const [name] = batch.hits(0, batch.paths.add('name'))
      batch.edit(name, batch.token(Buffer.from('"N"')))
    },
  })
  assert.deepEqual(lines, [`{"token":${M},"name":"N"}`])
})

test('check requires a key for hmac, and each option with its action', async () => {
  assert.deepEqual(await checkStage(redact, {}), [])
  const rules = [
    { path: 'a', action: 'hmac' },
    { path: 'a', action: 'hmac', key: '' },
    { path: 'a', action: 'mask', key: 'k' },
    { path: 'a', action: 'drop', with: 'x' },
    { path: 'a', action: 'mask', with: 'x' },
  ]
  const findings = await checkStage(redact, { rules })
  assert.deepEqual(
    findings.map(({ at }) => at.join('.')),
    ['rules.0.action', 'rules.1.key', 'rules.2.key', 'rules.3.with'],
  )
  const short = { path: 'a', action: 'hmac', key: '123456789012345' }
  const [tooShort, ...more] = await checkStage(redact, { rules: [short, { ...short, key: '1234567890123456' }] })
  assert.match(tooShort.message, /^the key has 15 bytes, but at least 16 are needed/)
  assert.equal(tooShort.severity, undefined)
  assert.deepEqual(more, [])
  const [nothing] = await checkStage(redact, { preset: 'none' })
  assert.equal(nothing.severity, 'warning')
})

test('agrees with a simple model of redaction, byte for byte', async () => {
  let masked = 0
  await fc.assert(
    fc.asyncProperty(fc.array(objects, { minLength: 1, maxLength: 8 }), async (trees) => {
      const { lines } = await runStage(redact, { rules: MODEL_RULES }, trees.map(spell))
      const expected = trees.map((tree) => spell(modelOf(tree)))
      assert.deepEqual(lines, expected)
      masked += expected.filter((line) => line.includes('[redacted]')).length
    }),
    { numRuns: scaled(500) },
  )
  assert.ok(masked > 200)
})

/** A JSON value whose members may stand twice; scalars and keys as they are spelled. */
type Tree = string | readonly Tree[] | { readonly members: readonly (readonly [key: string, value: Tree])[] }
type Members = Extract<Tree, { members: unknown }>

const MODEL_RULES = [
  { path: 'ip', action: 'hmac', key: 'k' },
  { path: 'geo.{lat,lon}', action: 'drop' },
  { path: 'changes[*].{from,to}', when: { field: '/phone/i' }, action: 'mask', with: 'P' },
  { path: 'note', when: { ip: 'x' }, action: 'drop' },
]

const KEYS = 'ip geo lat lon changes changes field field from to note password command payload p\\u0061ssword'.split(
  ' ',
)
const keys = fc.constantFrom(...KEYS)
const texts = fc.constantFrom('"x"', '"password"', '"phone"', '"my \\u0070hone"', '1', 'true', 'null', '""', '1e400')
const { object: objects } = fc.letrec<{ object: Members; value: Tree; array: Tree }>((tie) => ({
  object: fc.array(fc.tuple(keys, tie('value')), { maxLength: 6 }).map((members) => ({ members })),
  array: fc.array(tie('value'), { maxLength: 3 }),
  value: fc.oneof({ depthSize: 'medium' }, texts, texts, tie('object'), tie('array')),
}))

const SECRET = /^(my )?password$/
/** Keys of `KEYS` that describe a secret. */
const DESCRIBING = ['note', 'changes']

function modelOf(tree: Members): Members {
  const noted = tree.members.some(([key, value]) => plain(key) === 'ip' && value === '"x"')
  const members = prepare(tree).members.flatMap(([key, value]): [string, Tree][] => {
    const name = plain(key)
    if (name === 'note' && noted) return []
    if (name === 'ip' && value !== 'null') {
      return [[key, typeof value === 'string' && value !== M ? hmac('k', textOf(value)) : M]]
    }
    if (name === 'geo')
      return [[key, secretsOf(mapMembers(value, (inner) => (['lat', 'lon'].includes(inner) ? undefined : 'keep')))]]
    if (name === 'command') return [[key, secretsOf(mapMembers(value, (inner) => (inner === 'payload' ? M : 'keep')))]]
    if (name === 'changes' && Array.isArray(value))
      return [[key, value.map((element: Tree) => secretsOf(changeOf(element)))]]
    return [secretOf(key, value)]
  })
  return { members }
}

function changeOf(element: Tree): Tree {
  if (typeof element === 'string' || !('members' in element)) return element
  const fields = element.members.filter(([key]) => plain(key) === 'field').map(([, value]) => value)
  const phone = fields.some((value) => typeof value === 'string' && /phone/i.test(textOf(value)))
  return mapMembers(element, (key) => (['from', 'to'].includes(key) && phone ? '"P"' : 'keep'))
}

/** Masks `from` and `to` beside a `field` that names a secret, or lists one. */
function pairsOf(tree: Members): Members {
  const isSecretField = tree.members.some(
    ([key, value]) =>
      plain(key) === 'field' &&
      (typeof value === 'string'
        ? SECRET.test(textOf(value))
        : Array.isArray(value) && spell(value).includes('"password"')),
  )
  if (!isSecretField) return tree
  return {
    members: tree.members.map(([key, value]) =>
      ['from', 'to'].includes(plain(key)) && (Array.isArray(value) || isSecret(value)) ? [key, M] : [key, value],
    ),
  }
}

/** Replaces members by a spelled value, or removes them. */
function mapMembers(tree: Tree, change: (key: string) => string | undefined): Tree {
  if (typeof tree === 'string' || !('members' in tree)) return tree
  const members = tree.members.flatMap(([key, value]): [string, Tree][] => {
    const to = change(plain(key))
    return to === undefined ? [] : [[key, to === 'keep' ? value : to]]
  })
  return { members }
}

/** What comes before all rules: values beside the names of secrets. */
function prepare(tree: Members): Members {
  return { members: pairsOf(tree).members.map(([key, value]) => [key, prepared(value, false)]) }
}

function prepared(tree: Tree, inArray: boolean): Tree {
  if (typeof tree === 'string') return tree
  if ('members' in tree) return prepare(tree)
  return (inArray ? listOf(tree) : tree).map((element: Tree) => prepared(element, true))
}

/** `inside`: the value is in an object of secrets that is open. */
function secretsOf(tree: Tree, inside = false): Tree {
  if (typeof tree === 'string') return inside && isSecret(tree) ? M : tree
  if (!('members' in tree)) return tree.map((element: Tree) => secretsOf(element, inside))
  return { members: tree.members.map(([key, value]) => secretOf(key, value, inside)) }
}

function secretOf(key: string, value: Tree, inside = false): [string, Tree] {
  const name = plain(key)
  if (name === 'password' && isSecret(value))
    return [key, typeof value === 'object' && isDescribed(value) ? secretsOf(value, true) : M]
  if (!inside || !DESCRIBING.includes(name)) return [key, secretsOf(value, inside)]
  if (!Array.isArray(value)) return [key, typeof value === 'string' ? value : secretsOf(value, inside)]
  return [key, value.map((element: Tree) => (typeof element === 'string' ? element : secretsOf(element, inside)))]
}

function isSecret(tree: Tree): boolean {
  if (typeof tree === 'string') return tree.startsWith('"') || /\d/.test(tree)
  return !('members' in tree) || tree.members.some(([, value]) => isSecret(value))
}

/** In a list in a list, the value after a secret name is masked, unless it is a secret name too. */
function listOf(list: readonly Tree[]): Tree[] {
  const made: Tree[] = [...list]
  for (let at = 0; at + 1 < list.length; at++) {
    if (!isName(list[at]) || isName(list[at + 1])) continue
    if (isSecret(list[at + 1]) || Array.isArray(list[at + 1])) made[at + 1] = M
    at++
  }
  return made
}

function isName(tree: Tree): boolean {
  return typeof tree === 'string' && tree.startsWith('"') && SECRET.test(textOf(tree))
}

/** Whether a member of an object of secrets describes it. */
function isDescribed(tree: Tree): boolean {
  if (typeof tree === 'string') return false
  if (!('members' in tree)) return tree.some((element: Tree) => isDescribed(element))
  return tree.members.some(
    ([key, value]) =>
      (DESCRIBING.includes(plain(key)) && (typeof value === 'string' || !('members' in value)) && isSecret(value)) ||
      isDescribed(value),
  )
}

function spell(tree: Tree): string {
  if (typeof tree === 'string') return tree
  if (!('members' in tree)) return `[${tree.map(spell).join(',')}]`
  return `{${tree.members.map(([key, value]) => `"${key}":${spell(value)}`).join(',')}}`
}

function plain(key: string): string {
  return readString(`"${key}"`)
}

/** As rules see it: strings decoded, anything else as it is spelled. */
function textOf(tree: Tree): string {
  const spelled = spell(tree)
  return spelled.startsWith('"') ? readString(spelled) : spelled
}

function hmac(key: string, text: string): string {
  return `"hmac:${createHmac('sha256', key).update(text).digest('hex').slice(0, 32)}"`
}

async function pseudonymised(key: string): Promise<Json> {
  const rules = [{ path: '{a,b}', action: 'hmac', key }]
  return parse((await runStage(redact, { rules }, ['{"a":"x","b":"x"}'])).lines[0])
}

async function assertRedacted(
  config: object,
  cases: readonly (readonly [line: string, expected: string])[],
): Promise<void> {
  const { lines } = await runStage(
    redact,
    { ...config },
    cases.map(([line]) => line),
  )
  assert.deepEqual(
    lines,
    cases.map(([, expected]) => expected),
  )
}
