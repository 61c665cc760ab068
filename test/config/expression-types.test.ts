import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadPipeline } from '../../src/config/load.ts'
import { makeProject, writeFiles } from '../support/config-project.ts'

const SCHEMA = JSON.stringify({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    service: { type: 'string' },
    level: { enum: ['low', 'high'] },
    count: { type: 'integer' },
    ratio: { type: 'number' },
    success: { type: 'boolean' },
    note: { type: ['string', 'null'] },
    tags: { $ref: '#/$defs/tags' },
    user: { type: 'object', properties: { email: { anyOf: [{ type: 'string' }, { type: 'null' }] } } },
  },
  $defs: { tags: { type: 'array', items: { type: 'string' } } },
})

/** The problems of a filter after `validate`: the text that the caret marks, and the message. */
async function problemsOf(root: string, where: string, between = ''): Promise<string[]> {
  const pipeline = `source: { type: file, path: in.ndjson }
transforms:
  - { type: validate, schema: ../schema.json }
${between}
  - type: filter
    where: |
      ${where}
sink: { type: stdout }
`
  await writeFiles(root, { 'pipelines/x.yaml': pipeline })
  const { problems } = await loadPipeline('x', { root, mode: 'check', env: {} })
  return problems.flatMap(({ severity, message, text = '', column, length }) =>
    severity === 'note'
      ? []
      : [`${text.slice(column - 1, column - 1 + length)}: ${message.replace(/^.*?filter: /, '')}`],
  )
}

test('check knows the types of members from the schema of validate', async (t) => {
  const root = await makeProject(t, { 'schema.json': SCHEMA })
  const cases: { readonly [expression: string]: readonly string[] } = {
    'record.service == "sso" && record.count > 5 && record.ratio * 2 > 1': [],
    'record.ratio % 2 == 0 || record.note.contains("x") || record.note == null': [],
    'record.tags.exists(tag, tag == 5) || record.user.email == null': [],
    'record.other.size() > 5 || record.?service.orValue("") == "a"': [],
    'record.service > 5': ['record.service > 5: ">" cannot be applied to a string and an int'],
    'record.level == 1': ['record.level == 1: "==" cannot be applied to a string and an int'],
    'record.success && record.count': ['record.count: "&&" and "||" need bools, not an int'],
    'record.count': ['record.count: a condition must be a bool, not an int'],
    'record.note > 5': ['record.note > 5: ">" cannot be applied to a string and an int'],
    'record.service == null': ['record.service == null: "==" cannot be applied to a string and null'],
    'record.tags.contains("a")': ['record.tags.contains("a"): contains() cannot be applied to a list and a string'],
    'record.servce == "sso"': ['record.servce: the schema of validate has no servce at the path servce'],
    'record.?count.orValue("a") == "a"': ['"a": the default has another type than the optional'],
  }
  for (const [expression, expected] of Object.entries(cases)) {
    assert.deepEqual(await problemsOf(root, expression), expected, expression)
  }
})

test('a member that a later stage writes has any type', async (t) => {
  const root = await makeProject(t, { 'schema.json': SCHEMA })
  const set = '  - { type: set, members: [{ path: count, value: many }] }'
  assert.deepEqual(await problemsOf(root, 'record.count == "many"', set), [])
  const compute = `  - { type: compute, members: [{ path: total, value: 'record.count + 1' }] }`
  assert.deepEqual(await problemsOf(root, 'record.total > 5', compute), [])
  const remove = '  - { type: remove, paths: [count] }'
  assert.deepEqual(await problemsOf(root, 'record.count > 5', remove), [
    'record.count: no record has count here: the earlier stage remove removes it',
  ])
})
