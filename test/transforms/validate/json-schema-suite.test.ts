import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { JsonObject } from '../../../src/record/json/json.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import validate from '../../../src/transforms/validate.ts'
import { proofOf } from '../../../src/transforms/validate/facts.ts'
import { createProver } from '../../../src/transforms/validate/prover.ts'
import { compileSchema } from '../../../src/transforms/validate/schema.ts'
import { groups } from './json-schema-suite.ts'
import { openRecords, parse, runStage } from '../stage.ts'

const DRAFTS = {
  'draft-07': 'http://json-schema.org/draft-07/schema#',
  '2020-12': 'https://json-schema.org/draft/2020-12/schema',
}

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'schema-suite-'))
})
after(() => rm(folder, { recursive: true }))

let proven = 0
let asked = 0

for (const [draft, $schema] of Object.entries(DRAFTS)) {
  for (const [number, { about, schema, valid, invalid }] of groups.entries()) {
    test(`${draft}: ${about}`, async () => {
      const rooted: JsonObject = { $schema, ...schema }
      const wrapped: JsonObject = { $schema, properties: { v: schema, w: { properties: { v: schema } } } }
      const compiled = compileSchema(rooted, about)
      for (const text of valid) assert.equal(compiled.judge(parse(text)), undefined, text)
      for (const text of invalid) assert.notEqual(compiled.judge(parse(text)), undefined, text)

      await judgeAs(wrapped, valid.flatMap(inside), invalid.flatMap(inside), `${draft}-${number}`)
      await judgeAs(rooted, valid.filter(isRecord), invalid.filter(isRecord), `${draft}-${number}-root`)
    })
  }
}

function inside(text: string): string[] {
  return [`{"v":${text}}`, `{"w" : { "v" : ${text} } }`]
}

function isRecord(text: string): boolean {
  return text.startsWith('{')
}

test('most of what is valid was proven without ajv', () => {
  assert.ok(proven > 300, `${proven} were proven, ${asked} were asked about`)
})

test('what ajv leaves out is not proven either: it judges no member __proto__, unless as required', async () => {
  const schema: JsonObject = { properties: { ['__proto__']: { type: 'number' } } }
  assert.equal(compileSchema(schema, 'proto').judge(parse('{"__proto__":"foo"}')), undefined)
  const { facts } = proofOf(schema)
  const paths = new Paths()
  const prover = createProver(facts ?? [], paths)
  const [batch] = openRecords(['{"__proto__":"foo"}', '{"__proto__":1}'], paths)
  assert.deepEqual([facts?.length, prover(batch)], [1, [0]])
  await judgeAs({ required: ['__proto__'] }, ['{"__proto__":1}'], ['{}', '{"toString":1}'], 'proto')
})

/** By the stage, and by what the index proves: that must never be more. */
async function judgeAs(
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

  const { facts } = proofOf(schema)
  if (facts === undefined) return
  const paths = new Paths()
  const prover = createProver(facts, paths)
  for (const batch of openRecords(valid, paths)) {
    const doubtful = prover(batch)
    asked += doubtful.length
    proven += batch.count - doubtful.length
  }
  for (const batch of openRecords(invalid, paths)) assert.equal(prover(batch).length, batch.count)
}
