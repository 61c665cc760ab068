import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isScalar, parseDocument, visit } from 'yaml'
import { defineTransform } from '../../../src/component.ts'
import { Choice } from '../../../src/fields/fields.ts'
import { Type } from '../../../src/fields/typebox.ts'
import { exampleYaml } from '../../../src/generate/pages.ts'
import { complete } from '../../../src/inspect/edit/complete.ts'
import { pathOf } from '../../../src/inspect/edit/cursor.ts'
import { describePlace } from '../../../src/inspect/edit/describe-place.ts'
import { schemasAt } from '../../../src/inspect/edit/schemas-at.ts'
import { findComponent, loadComponents } from '../../../src/registry.ts'
import type { FindComponent } from '../../../src/registry.ts'

const SINKS = 'sinks: { a: { type: file }, b: { type: s3 } }\n'

/** A text with the cursor as `|`, what is replaced, and what is inserted. `…`: there is more. */
const cases: readonly (readonly [text: string, word: string, inserts: readonly string[]])[] = [
  ['|', '', ['source:\n  ', 'description: ', 'transforms:\n  - ', '…']],
  ['source: { type: file, path: in }\nsi|', 'si', ['sink:\n  ', 'sinks:\n  ', '…']],
  ['so|urce:\n  type: file', 'source', ['source', '…']],
  ['source:\n  |', '', ['type: ']],
  ['source:\n  ty|\nsink: { type: file }\n', 'ty', ['type: ']],
  ['source:\n  type: |', '', ['file', 's3', 'http', 'jumpcloud']],
  ['source:\n  type:|', '', [' file', ' s3', ' http', ' jumpcloud']],
  ['source:\n  type: "fi|"', '"fi"', ['file', '…']],
  ["source:\n  type: 'fi|", "'fi", ['file', '…']],
  ['source: { type: fi|', 'fi', ['file', '…']],
  ['source: { type: fi|\nsink:\n  type: file\n', 'fi', ['file', '…']],
  ['source: {type: file, |}', '', ['path: ', 'format: ', 'records: ', 'keyAs: ']],
  ['source:\n  type: file # NDJSON\n  |\n\n  path: in\nsink: [\n', '', ['format: ', 'records: ', 'keyAs: ']],
  ['source:\r\n  type: file\r\n  path: in\r\n  |\r\nsink: 1\r\n', '', ['format: ', 'records: ', 'keyAs: ']],
  ['sink:\r\n  type: s3\r\n  ro|\r\n', 'ro', ['roll:\r\n    ', '…']],
  ['transforms:\n  |', '', ['- type: ']],
  ['transforms:\n- |', '', ['type: ']],
  ['transforms:\n  - type: redact\n  |', '', ['- type: ']],
  ['transforms:\n  - type: red|act\n    rules: []', 'redact', ['redact', '…']],
  ['transforms:\n  - type: dedup\n  - type: redact\n    |\n  - type: filter\n', '', ['preset: ', 'rules:\n      - ']],
  ['transforms:\n  - type: redact\n    rules:\n      - path: a\n        action: ma|', 'ma', ['mask', 'drop', '…']],
  ['transforms: [\n  { type: redact },\n  { | }\n]\nsink: 1\n', '', ['type: ']],
  ['transforms: [{ type: set, members: [{ path: a, va| }] }]', 'va', ['value: ', 'from: ', '…']],
  ['transforms:\n  - type: ./own.ts\n    |', '', []],
  ['source:\n  type: http\n  paginate: { type: | }', '', ['cursor', 'link', 'page', 'offset']],
  ['source:\n  type: http\n  paginate:\n    type: link\n    |', '', ['maxPages: ', '…']],
  ['allowRepeats: |', '', ['true', 'false']],
  ['unrouted: |', '', ['reject', 'drop']],
  [`${SINKS}routes:\n  - to: |`, '', ['a', 'b']],
  [`routes:\n  - to: [a, |]\n${SINKS}`, '', ['a', 'b']],
  [`routes:\n  - to:\n      - |\n${SINKS}`, '', ['a', 'b']],
  [`${SINKS}default: |`, '', ['a', 'b']],
  ['sinks:\n  a:\n    type: |', '', ['s3', 'file']],
  ['rejects:\n  |', '', ['type: ', 'local: ', 'unparsed: ']],
  ['rejects: { type: file, unparsed: | }', '', ['digest', 'keep']],
  ['limits: { | }', '', ['maxDepth: ', 'maxLine: ']],
  ['tests:\n  - name: x\n    restartIn: 1\n    restartA|', 'restartA', ['restartAfter: ', '…']],
  ['tests:\n  - name: x\n    expect:\n      |', '', ['output: ', '…']],
  ['tests:\n  - input:\n      - { | }', '', []],
  ['description: |', '', []],
  ['source:\n  # |', '', []],
  ['source:\n  type: file\n      |', '', []],
]

for (const [text, word, inserts] of cases)
  test(`completes ${JSON.stringify(text)}`, async () => {
    const { options, ...place } = await completeAt(text)
    assert.equal(place.word, word)
    const found = options.map(({ insert }) => insert)
    if (!inserts.includes('…')) assert.deepEqual(found, inserts)
    for (const insert of inserts.filter((one) => one !== '…')) assert.ok(found.includes(insert), found.join(' '))
  })

test('a key has its type and its documentation, a component its summary, and what is there already is left out', async () => {
  const { options } = await completeAt('sink:\n  type: file\n  path: out\n  |')
  assert.ok(options.every(({ label }) => label !== 'path' && label !== 'type'))
  const compression = options.find(({ label }) => label === 'compression')
  assert.match(compression?.detail ?? '', /gzip.*default/)
  assert.ok(compression?.about)
  const { options: types } = await completeAt('transforms:\n  - type: |')
  assert.deepEqual(types[1], {
    label: 'redact',
    insert: 'redact',
    kind: 'component',
    about: 'Masks, drops, shortens or pseudonymises values and what it finds in texts; by default secrets.',
  })
})

test('each key of the examples of components is completed and described, in a whole text and while it is typed', async () => {
  let known = 0
  for (const component of await loadComponents())
    for (const example of component.examples) {
      const text = exampleYaml(component, example)
      for (const { name, parent, from } of keysOf(text)) {
        const maps = await schemasAt(parseDocument(text).contents, parent)
        if (!maps.some(({ properties = {} }) => Object.hasOwn(properties, name))) continue
        known++
        const at = from + 1
        const labels = async (typed: string) => (await complete(typed, at)).options.map(({ label }) => label)
        assert.ok((await labels(text)).includes(name), `${name} in\n${text}`)
        assert.ok((await labels(text.slice(0, at))).includes(name), `${name} at the end of\n${text.slice(0, at)}`)
        const { about, ...place } = await describePlace(text, at)
        assert.ok(about, `${name} in\n${text}`)
        assert.deepEqual([place.from, place.to], [from, from + name.length])
      }
    }
  assert.ok(known > 200, String(known))
})

test('a component, a value and a key are described; the content of records and empty places are not', async () => {
  assert.deepEqual(await described('tests: [{ name: x }]\nsou|rce:\n  type: file\n'), [
    'source',
    'source',
    'Where records come from',
  ])
  assert.deepEqual(await described('transforms:\n  - type: dedup\n  - type: "re|dact"\n'), [
    '"redact"',
    'redact (transform)',
    'Masks',
  ])
  assert.deepEqual(await described('transforms:\n  - { type: keep, paths: [i|d] }'), [
    'id',
    'paths',
    'Paths of the values to keep',
  ])
  assert.deepEqual(await described('sinks: { a: { type: f|ile } '), [
    'file',
    'file (sink)',
    'Writes compressed NDJSON files below a folder',
  ])
  assert.deepEqual(await described('tests: [{ name: x, input: [{ i|d: 1 }] }]'), ['id', undefined, undefined])
  assert.deepEqual(await described('source: |'), ['', undefined, undefined])
})

test('the options of a component that a finder knows are completed and described as those of built-in ones', async () => {
  const fields = {
    mode: Choice(['stars', 'hash'], { default: 'stars', description: 'How a value is masked.' }),
    keep: Type.Object(
      { first: Type.Integer({ description: 'Characters that stay.' }) },
      { description: 'What stays.' },
    ),
  }
  const own = defineTransform({ type: './own.ts', summary: 'Masks.', fields, create: () => (record) => record })
  const find: FindComponent = (kind, type) => (type === own.type ? Promise.resolve(own) : findComponent(kind, type))
  const insertsAt = async (text: string) => (await completeAt(text, find)).options.map(({ insert }) => insert)
  const text = 'transforms:\n  - type: ./own.ts\n    '
  assert.deepEqual(await insertsAt(`${text}|`), ['keep:\n      ', 'mode: '])
  assert.deepEqual(await insertsAt(`${text}keep: { | }`), ['first: '])
  assert.deepEqual(await insertsAt(`${text}mode: |`), ['stars', 'hash'])
  assert.ok((await insertsAt('transforms:\n  - type: filter\n    |')).includes('drop:\n      '))
  assert.deepEqual(await described(`${text}mo|de: hash`, find), ['mode', 'mode', 'How a value is masked'])
  assert.deepEqual(await described(text.replace('own', 'o|wn'), find), ['./own.ts', './own.ts (transform)', 'Masks'])
  assert.deepEqual(await described(text.replace('own', 'o|wn')), ['./own.ts', 'type', 'The component: one of these'])
})

test('an offset after the end is the end, and in a text that is nested too deep there is nothing', async () => {
  assert.deepEqual(await complete('limits: { ', 99), await complete('limits: { ', 10))
  for (const length of [20_000, 100_000]) {
    const deep = `limits: ${'['.repeat(length)}`
    assert.deepEqual((await complete(deep, deep.length)).options, [])
    assert.deepEqual(await describePlace(deep, 20), { from: 20, to: 20 })
  }
})

test('a file with many tests is completed', { timeout: 60_000 }, async () => {
  const tests = `tests:\n${'  - name: x\n    input: [{ a: 1, b: [1, 2, { c: d }] }]\n'.repeat(4000)}`
  const { options } = await completeAt(`${tests}  - name: last\n    |\nsink: { type: file }\n`)
  assert.ok(options.some(({ label }) => label === 'expect'))
})

async function completeAt(text: string, find?: FindComponent) {
  const at = text.indexOf('|')
  const whole = text.replace('|', '')
  const { from, to, options } = await complete(whole, at, find)
  return { word: whole.slice(from, to), options }
}

/** What is described, its title, and the beginning of the text. */
async function described(text: string, find?: FindComponent) {
  const at = text.indexOf('|')
  const whole = text.replace('|', '')
  const { from, to, title, about } = await describePlace(whole, at, find)
  return [whole.slice(from, to), title?.split(':')[0], about?.split(/[.;,]/)[0]]
}

function keysOf(text: string) {
  const keys: { name: string; parent: readonly (string | number)[]; from: number }[] = []
  visit(parseDocument(text), {
    Pair(_role, { key }, ancestors) {
      if (!isScalar(key) || !key.range || typeof key.value !== 'string' || text[key.range[0]] !== key.value[0]) return
      keys.push({ name: key.value, parent: pathOf([...ancestors]), from: key.range[0] })
    },
  })
  return keys
}
