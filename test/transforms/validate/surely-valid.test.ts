import assert from 'node:assert/strict'
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../../../src/record/json/json.ts'
import { compileSchema } from '../../../src/transforms/validate/compile-schema.ts'
import { isSurelyValid } from '../../../src/transforms/validate/surely-valid.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { scaled } from '../../support/scale.ts'

const words = fc.constantFrom('string', 'object', 'null', 'integer', 'date-time', 'toString', '__proto__', 'strng', '')
const values = fc.oneof(words, fc.boolean(), fc.constantFrom(0, 1, -1, 1.5, null), fc.array(words, { maxLength: 3 }))
const keywords = fc.constantFrom(
  ...'type required properties additionalProperties minLength format enum const title items'.split(' '),
  ...'$ref $id $schema $comment nullable default misspelled toString'.split(' '),
)
const { schema } = fc.letrec<{ schema: { [keyword: string]: Json }; value: Json }>((tie) => ({
  schema: fc.dictionary(keywords, tie('value'), { maxKeys: 4 }),
  value: fc.oneof(
    { weight: 4, arbitrary: values },
    fc.dictionary(words, fc.oneof(tie('schema'), values), { maxKeys: 2 }),
  ),
}))

test('ajv compiles every schema that is taken for valid without it', () => {
  let taken = 0
  const property = fc.property(schema, (root) => {
    if (!isSurelyValid(root)) return
    taken++
    compileSchema(JSON.stringify(root), 'random')
  })
  fc.assert(property, { numRuns: scaled(400) })
  assert.ok(taken > 10, `${taken}`)
})

test('the shipped schema of JumpCloud events needs no ajv to be known as valid', async () => {
  const root: JsonObject = JSON.parse(await readFile(join(REPOSITORY, 'schemas/jumpcloud-event.schema.json'), 'utf8'))
  assert.ok(isSurelyValid(root))
})
