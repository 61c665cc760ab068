import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { JsonObject } from '../../../src/record/json/json.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import validate from '../../../src/transforms/validate.ts'
import { analyzeSchema } from '../../../src/transforms/validate/constraints.ts'
import { createFastPath } from '../../../src/transforms/validate/fast-path.ts'
import { compileSchema } from '../../../src/transforms/validate/compile-schema.ts'
import { groups } from './json-schema-suite.ts'
import { openRecords, runStage } from '../stage.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const DRAFTS = {
  'draft-07': 'http://json-schema.org/draft-07/schema#',
  '2020-12': 'https://json-schema.org/draft/2020-12/schema',
}

const folder = await temporaryFolder({ after })

let accepted = 0
let parsed = 0

for (const [draft, $schema] of Object.entries(DRAFTS)) {
  for (const [number, { about, schema, valid, invalid }] of groups.entries()) {
    test(`${draft}: ${about}`, async () => {
      const rooted: JsonObject = { $schema, ...schema }
      const wrapped: JsonObject = { $schema, properties: { v: schema, w: { properties: { v: schema } } } }
      const compiled = compileSchema(JSON.stringify(rooted), about)
      for (const text of valid) assert.equal(compiled.findViolation(text), undefined, text)
      for (const text of invalid) assert.notEqual(compiled.findViolation(text), undefined, text)

      await assertResults(wrapped, valid.flatMap(inside), invalid.flatMap(inside), `${draft}-${number}`)
      await assertResults(rooted, valid.filter(isRecord), invalid.filter(isRecord), `${draft}-${number}-root`)
    })
  }
}

function inside(text: string): string[] {
  return [`{"v":${text}}`, `{"w" : { "v" : ${text} } }`]
}

function isRecord(text: string): boolean {
  return text.startsWith('{')
}

test('accepts most valid records without parsing', () => {
  assert.ok(accepted > 300, `${accepted} were accepted, ${parsed} were parsed`)
})

test('parses a record with a member __proto__, which ajv checks only for required', async () => {
  const schema: JsonObject = { properties: { ['__proto__']: { type: 'number' } } }
  assert.equal(compileSchema(JSON.stringify(schema), 'proto').findViolation('{"__proto__":"foo"}'), undefined)
  const { constraints } = analyzeSchema(schema)
  const paths = new Paths()
  const fastPath = createFastPath(constraints ?? [], paths)
  const [batch] = openRecords(['{"__proto__":"foo"}', '{"__proto__":1}'], paths)
  assert.deepEqual([constraints?.length, fastPath(batch)], [1, [0]])
  await assertResults({ required: ['__proto__'] }, ['{"__proto__":1}'], ['{}', '{"toString":1}'], 'proto')
})

/** Checks the stage, and that the fast path accepts no invalid record. */
async function assertResults(
  schema: JsonObject,
  valid: readonly string[],
  invalid: readonly string[],
  name: string,
): Promise<void> {
  const file = join(folder, `${name}.json`)
  await writeFile(file, JSON.stringify(schema))
  const { lines, rejects } = await runStage(validate, { schema: file }, [...valid, ...invalid])
  assert.deepEqual(lines, valid)
  assert.deepEqual(
    rejects.map(({ code, text }) => [code, text]),
    invalid.map((line) => ['SCHEMA_VIOLATION', line]),
  )

  const { constraints } = analyzeSchema(schema)
  if (constraints === undefined) return
  const paths = new Paths()
  const fastPath = createFastPath(constraints, paths)
  for (const batch of openRecords(valid, paths)) {
    const undecided = fastPath(batch)
    parsed += undecided.length
    accepted += batch.count - undecided.length
  }
  for (const batch of openRecords(invalid, paths)) assert.equal(fastPath(batch).length, batch.count)
}
