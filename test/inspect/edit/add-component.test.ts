import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { addComponent } from '../../../src/inspect/edit/add-component.ts'
import { builtIns } from '../../../src/registry.ts'

const SOURCE = 'source: { type: file, path: in }'
const SINK = 'sink: { type: file, path: out }'
const ADDED = '{ type: filter'

interface Case {
  readonly title: string
  readonly text: string
  readonly after?: number
  readonly expected: string
}

const cases: readonly Case[] = [
  {
    title: 'without transforms, between the source and the sink',
    text: `# head\n${SOURCE} # in\n${SINK}\n`,
    expected: `# head\n${SOURCE} # in\ntransforms:\n  - type: ocsf\n    vendor: okta\n${SINK}\n`,
  },
  {
    title: 'with the blank lines of the file',
    text: `source:\n  type: file\n  path: in\n  # more\n\n# where to\n${SINK}\n`,
    expected: `source:\n  type: file\n  path: in\n  # more\n\ntransforms:\n  - type: ocsf\n    vendor: okta\n\n# where to\n${SINK}\n`,
  },
  {
    title: 'at the end of a list, after its comments',
    text: `${SOURCE}\ntransforms:\n    - type: "redact" # secrets\n      # rules: []\n    # last\n${SINK}\n`,
    expected: `${SOURCE}\ntransforms:\n    - type: "redact" # secrets\n      # rules: []\n    - type: ocsf\n      vendor: okta\n    # last\n${SINK}\n`,
  },
  {
    title: 'at the beginning',
    text: `${SOURCE}\ntransforms: # all\n- type: redact\n- type: keep\n  paths: [a]\n`,
    after: 0,
    expected: `${SOURCE}\ntransforms: # all\n- type: ocsf\n  vendor: okta\n- type: redact\n- type: keep\n  paths: [a]\n`,
  },
  {
    title: 'between two',
    text: `transforms:\n  - type: redact\n\n  # keep\n  - type: keep\n    paths: [a]`,
    after: 1,
    expected: `transforms:\n  - type: redact\n  - type: ocsf\n    vendor: okta\n\n  # keep\n  - type: keep\n    paths: [a]`,
  },
  {
    title: 'at the end of a file without a line break there',
    text: 'transforms:\n  - type: redact',
    after: 9,
    expected: 'transforms:\n  - type: redact\n  - type: ocsf\n    vendor: okta',
  },
  {
    title: 'in an empty list',
    text: `transforms: [] # none\n${SINK}\n`,
    expected: `transforms: # none\n  - type: ocsf\n    vendor: okta\n${SINK}\n`,
  },
  {
    title: 'after a key without a value',
    text: `transforms: # none\n  # yet\n${SINK}\n`,
    expected: `transforms: # none\n  - type: ocsf\n    vendor: okta\n  # yet\n${SINK}\n`,
  },
  {
    title: 'in place of null',
    text: `transforms: ~\n${SINK}\n`,
    expected: `transforms:\n  - type: ocsf\n    vendor: okta\n${SINK}\n`,
  },
  {
    title: 'in brackets',
    text: `transforms: [{ type: redact }, { type: keep, paths: [a] }]\n`,
    after: 1,
    expected: `transforms: [{ type: redact }, { type: ocsf, vendor: okta }, { type: keep, paths: [a] }]\n`,
  },
  {
    title: 'at the beginning of brackets',
    text: `transforms: [{ type: redact }]\n`,
    after: 0,
    expected: `transforms: [{ type: ocsf, vendor: okta }, { type: redact }]\n`,
  },
  {
    title: 'in brackets with a line for each, after a comment',
    text: `transforms: [\n    { type: redact } # first\n  ]\n`,
    expected: `transforms: [\n    { type: redact }, # first\n    { type: ocsf, vendor: okta }\n  ]\n`,
  },
  {
    title: 'in brackets with a line and a comma for each',
    text: `transforms: [\n    { type: redact }, # first\n    { type: dedup, key: id }, # last\n  ]\n`,
    after: 1,
    expected: `transforms: [\n    { type: redact }, # first\n    { type: ocsf, vendor: okta },\n    { type: dedup, key: id }, # last\n  ]\n`,
  },
  {
    title: 'in a file in braces',
    text: `{ "source": { "type": "file", "path": "in" }, "sink": { "type": "stdout" } }`,
    expected: `{ "source": { "type": "file", "path": "in" }, transforms: [ { type: ocsf, vendor: okta } ], "sink": { "type": "stdout" } }`,
  },
  {
    title: 'with the line breaks of the file',
    text: `${SOURCE}\r\ntransforms:\r\n  - type: redact # secrets\r\n${SINK}\r\n`,
    expected: `${SOURCE}\r\ntransforms:\r\n  - type: redact # secrets\r\n  - type: ocsf\r\n    vendor: okta\r\n${SINK}\r\n`,
  },
  { title: 'in an empty file', text: '', expected: 'transforms:\n  - type: ocsf\n    vendor: okta\n' },
  {
    title: 'in a file of comments',
    text: '# to do',
    expected: '# to do\ntransforms:\n  - type: ocsf\n    vendor: okta\n',
  },
]

for (const { title, text, after, expected } of cases)
  test(`a transform is added ${title}`, async () => {
    const added = await addComponent(text, { kind: 'transform', type: 'ocsf', after })
    assert.equal(added.text, expected)
    assert.match(expected.split('\n')[added.line - 1], /ocsf|transforms:/)
  })

const sinks: readonly Omit<Case, 'after'>[] = [
  {
    title: 'after the transforms',
    text: `${SOURCE}\ntransforms: [{ type: redact }]\ntests: []\n`,
    expected: `${SOURCE}\ntransforms: [{ type: redact }]\nsink:\n  type: file\n  path: out\n  key: dt={record.timestamp:yyyy-MM-dd}\ntests: []\n`,
  },
  {
    title: 'among several, under a free name',
    text: `sinks:\n  file: { type: file, path: a } # one\n  # none\ndefault: file\n`,
    expected: `sinks:\n  file: { type: file, path: a } # one\n  file-2:\n    type: file\n    path: out\n    key: dt={record.timestamp:yyyy-MM-dd}\n  # none\ndefault: file\n`,
  },
  {
    title: 'among several in braces',
    text: `sinks: { a: { type: file, path: a } }\n`,
    expected: `sinks: { a: { type: file, path: a }, file: { type: file, path: out, key: 'dt={record.timestamp:yyyy-MM-dd}' } }\n`,
  },
]

for (const { title, text, expected } of sinks)
  test(`a sink is added ${title}`, async () => {
    const added = await addComponent(text, { kind: 'sink', type: 'file' })
    assert.equal(added.text, expected)
  })

test('a source is added before everything else, and below the comments at the top', async () => {
  const added = await addComponent(`# lint\n${SINK}\n`, { kind: 'source', type: 'file' })
  assert.deepEqual(added, { text: `# lint\nsource:\n  type: file\n  path: ./archive\n${SINK}\n`, line: 2 })
})

test('a second source or sink, a stream among several sinks and an unknown type are refused', async () => {
  await refused(`${SINK}\n${SOURCE}\n`, 'source', 'file', /has a source already, in line 2/)
  await refused(SINK, 'sink', 's3', /has a sink already, in line 1/)
  await refused(`sinks: ${ADDED} }`, 'sink', 'stdout', /writes a stream/)
  await refused(SINK, 'transform', 'redcat', /there is no transform "redcat"/)
  await refused('transforms: [', 'transform', 'redact', /mistakes in its YAML/)
  await refused('transforms: { a: 1 }', 'transform', 'redact', /not a list/)
})

test('every component can be added to every form of a text, and nothing else changes', async () => {
  for (const { kind, type } of builtIns)
    for (const { text, after } of cases) {
      const added = await addComponent(text, { kind, type, after }).catch(() => undefined)
      if (added === undefined) continue
      const [before, result] = [parse(text) ?? {}, parse(added.text)]
      if (kind === 'transform') {
        const earlier: unknown[] = before.transforms ?? []
        const at = Math.min(after ?? Infinity, earlier.length)
        assert.equal(result.transforms[at].type, type)
        assert.deepEqual(
          { ...result, transforms: result.transforms.toSpliced(at, 1) },
          { ...before, transforms: earlier },
        )
      } else {
        assert.equal(result[kind].type, type)
        assert.deepEqual({ ...result, [kind]: undefined }, { ...before, [kind]: undefined })
      }
      assert.deepEqual(added.text.match(/#.*/g), text.match(/#.*/g))
    }
})

async function refused(
  text: string,
  kind: 'source' | 'sink' | 'transform',
  type: string,
  expected: RegExp,
): Promise<void> {
  await assert.rejects(addComponent(text, { kind, type }), expected)
}
