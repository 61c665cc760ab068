import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'

/** Part of every value that must disappear, in one spelling or another. */
const SECRET = 'hunter2'

/**
 * Spellings of secret names: each one is a secret name after parsing, or looks like one to a
 * reader.
 */
const KEYS = [
  'password',
  'PassWord',
  'pass\\u0077ord',
  'pass\\u0057ord',
  '\\u0070\\u0061\\u0073\\u0073\\u0077\\u006f\\u0072\\u0064',
  'old_password_2',
  `${'k'.repeat(70)}_password`,
  'a\\"b\\\\password',
  '\\ud83d\\ude00password',
  '\\ud800password\\udc00',
  '\u{1f600}p\\u0061ssword',
  '\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44',
  '\\uff50\\uff41\\uff53\\uff53word',
  '\u{1d429}\u{1d41a}\u{1d42c}\u{1d42c}\u{1d430}\u{1d428}\u{1d42b}\u{1d41d}',
  '\\ud835\\udc29\\ud835\\udc1a\\ud835\\udc2c\\ud835\\udc2c\\ud835\\udc30\\ud835\\udc28\\ud835\\udc2b\\ud835\\udc1d',
  'pa\u017fsword',
]

/**
 * Composed and decomposed accents, as bytes and as escapes; one key pattern must match them all.
 */
const ACCENTED = ['clé_privée', 'cle\u0301_prive\u0301e', 'cl\\u00e9_priv\\u00e9e', 'cle\\u0301_prive\\u0301e']

const VALUES = [
  `"${SECRET}"`,
  '"\\u0068unter2"',
  `["x","${SECRET}"]`,
  `{"v":{"w":"${SECRET}"}}`,
  `[[{"v":["${SECRET}"]}],[]]`,
  `{"${SECRET}":1}`,
]

/** Positions in which a member may hide. */
const PLACES: readonly ((member: string) => string)[] = [
  (member) => member,
  (member) => ` \t${member.replace('":', '" \t:\r ')} `,
  (member) => `"a":{"b":{"c":{${member}}}}`,
  (member) => `"a":[{"x":1},{${member}}]`,
  (member) => `"a":[[],[[{${member}}]],[{${member}}]]`,
  (member) => `${member},"password":"shown","x":1`,
  (member) => `"password":"shown",${member}`,
  (member) => `${member},${member}`,
  (member) => `"a":{${member}},"a":{}`,
  (member) => `"a":{${member}},"\\u0061":null`,
  (member) => `"a":{},"a":{${member}},"a":[]`,
  (member) => `"a":[{${member}}],"a":[{"y":2}]`,
  (member) => `"__proto__":{${member}},"constructor":{"prototype":{${member}}}`,
  (member) => `"\\u007b\\"":"}],{[","a":{"\\\\":{${member}}}`,
  (member) => `"long":"${'é'.repeat(700)}",${member}`,
]

/** Members for rules with plain paths, and for the field of a change. */
const RULED = [
  `"private":{"note":"${SECRET}"}`,
  `"private":{"n\\u006fte":"${SECRET}","note":1}`,
  `"private":{"note":"${SECRET}"},"private":{"note":"x"}`,
  `"private":{"note":"${SECRET}"},"priv\\u0061te":"x"`,
  `"private":null,"private":{"note":["${SECRET}"],"note":{"a":"${SECRET}"}}`,
  `"owner":{"email":"${SECRET}"},"owner":{"email":"${SECRET}","\\u0065mail":"${SECRET}"}`,
  `"list":[[{"pin":"${SECRET}"}],[{"p\\u0069n":["${SECRET}"]},{"pin":{"pin":"${SECRET}"}}]],"list":[]`,
  `"changes":[{"field":"password","from":"${SECRET}","to":["${SECRET}"]}]`,
  `"changes":[{"from":"${SECRET}","field":"pass\\u0077ord"}],"changes":[]`,
  `"changes":[{"to":"${SECRET}","field":"\uff50\uff41\uff53\uff53word","field":"name"}]`,
  `"changes":[{"t\\u006f":"${SECRET}","to":1,"f\\u0069eld":["x",{"y":"token"}]}]`,
  `"command":{"payload":"x"},"command":{"payload":{"a":"${SECRET}"}}`,
]

const RULES = `
      - { path: private.note, action: mask }
      - { path: owner.email, action: drop }
      - { path: 'list[*][*].pin', action: hmac, key: a-key-of-twenty-bytes }
      - { path: '**./clé/i', action: mask }`

function records(): string[] {
  const members = [...KEYS, ...ACCENTED].flatMap((key) => VALUES.map((value) => `"${key}":${value}`))
  const hidden = members.flatMap((member) => PLACES.map((place) => place(member)))
  return [...hidden, ...RULED].map((member, id) => `{"id":${id},${member}}`)
}

/** Lines that are rejected, with secrets in them. */
const BROKEN = [
  `{"password":"${SECRET}"`,
  `{"password":"${SECRET}",}`,
  `["${SECRET}"]`,
  `"${SECRET}"`,
  `{"password":"${SECRET}","deep":${'['.repeat(100)}${']'.repeat(100)}}`,
]

function pipeline(transforms: string): string {
  return `source: { type: file, path: in.ndjson }
transforms:
${transforms}
sink: { type: file, path: out, key: all, compression: none }
rejects: { type: file, path: rejects, key: all, compression: none }
`
}

const REDACT = `  - type: redact
    rules:${RULES}`

/** Copies, tags, splits and rejects records, so that lines are rewritten after redaction. */
const CUSTOM = `export default (record) => {
  const id = record.get('id')
  if (id % 7 === 0) return record.set('seen', true)
  if (id % 7 === 1) return { ...record.value, seen: { again: record.value } }
  if (id % 7 === 2) return [record, { ...record.value, copy: true }]
  if (id % 7 === 3) return record.reject('NOT_WANTED')
  if (id % 7 === 4) return record.delete('id')
  if (id % 7 === 5) return { fresh: Object.values(record.value) }
  return record
}
`

/** Moves secrets to other positions before redaction. */
const MOVES = `export default (record) =>
  record.get('id') % 2 === 0
    ? record.set('moved.again', { password: '${SECRET}', list: [{ token: ['${SECRET}'] }] })
    : { ...record.value, private: { note: '${SECRET}' }, 'api_key': '${SECRET}', x: [{ cl\\u00e9: '${SECRET}' }] }
`

test('redacts a secret however its key is spelled and wherever it is', async (t) => {
  const lines = records()
  assert.ok(lines.length > 1500, `${lines.length} lines`)
  const { written, rejected, output } = await run(await openWorkspace(t), REDACT, [...lines, ...BROKEN])
  assert.deepEqual([written, rejected], [lines.length, BROKEN.length])
  assertClean(output)
  for (const id of lines.keys()) assert.ok(output.includes(`{"id":${id},`))
})

test('custom code after redaction cannot bring a secret back', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('custom.js', CUSTOM)
  const lines = records()
  const { written, rejected, output } = await run(workspace, `${REDACT}\n  - type: ../custom.js`, lines)
  assert.ok(written + rejected > 1.1 * lines.length && rejected > lines.length / 10)
  assert.ok(output.includes('"again":{') && output.includes('"copy":true') && output.includes('"fresh":['))
  assertClean(output)
})

test('redacts lines that custom code made before redaction', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('moves.js', MOVES)
  const lines = records()
  const { written, output } = await run(workspace, `  - type: ../moves.js\n${REDACT}`, lines)
  assert.equal(written, lines.length)
  assert.ok(output.includes('"moved":{"again":{"password":"[redacted]","list":[{"token":"[redacted]"}]}}'))
  assertClean(output)
})

test('redacts records that an earlier stage has rejected', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('schema.json', '{ "required": ["nothing"] }')
  const lines = records()
  const validate = '  - { type: validate, schema: ../schema.json }'
  const { written, rejected, output } = await run(workspace, `${validate}\n${REDACT}`, lines)
  assert.deepEqual([written, rejected], [0, lines.length])
  assert.ok(output.includes('[redacted]'))
  assertClean(output)
})

test('does not redact keys that only resemble a secret name', async (t) => {
  const others = ['pass\\\\u0077ord', 'p a s s w o r d', 'pass-word', 'passwo\\nrd', 'drowssap']
  const lines = others.map((key, id) => `{"id":${id},"${key}":"kept"}`)
  const { output } = await run(await openWorkspace(t), REDACT, lines)
  assert.equal(output, `${lines.join('\n')}\n`)
})

async function run(workspace: Workspace, transforms: string, lines: readonly string[]) {
  await workspace.write('pipelines/p.yaml', pipeline(transforms))
  await workspace.write('in.ndjson', lines.map((line) => `${line}\n`).join(''))
  const { written, rejected } = await workspace.report(['run', 'p'])
  const files = [...(await filesBelow(workspace.path('out'))), ...(await filesBelow(workspace.path('rejects')))]
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return { written, rejected, output: texts.join('') }
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Checks the bytes and the decoded text, including duplicate keys. */
function assertClean(output: string): void {
  const decoded = output.replace(/\\u([0-9a-fA-F]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
  for (const text of [output, decoded]) {
    const at = text.indexOf(SECRET)
    assert.equal(at, -1, text.slice(Math.max(0, at - 200), at + 50))
  }
}
