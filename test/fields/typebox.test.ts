import assert from 'node:assert/strict'
import test from 'node:test'
import { Type as TypeBox } from 'typebox'
import { Type } from '../../src/fields/typebox.ts'

function examples(builders: typeof Type) {
  const {
    Array: list,
    Boolean: flag,
    Integer,
    Literal,
    Number: number,
    Object: members,
    Optional,
    Record,
    String: text,
    Union,
    Unsafe,
  } = builders
  return [
    text(),
    text({ minLength: 1, description: 'A text.' }),
    flag({ default: false }),
    Integer({ minimum: 0 }),
    number(),
    Literal('a', { description: 'A word.' }),
    list(text(), { minItems: 1 }),
    members({}),
    members(
      { a: text(), b: Optional(Integer({ default: 1 })) },
      { description: 'Members.', additionalProperties: false },
    ),
    members({ a: Optional(text()) }),
    members({ a: Optional(members({ b: text() })) }),
    Record(text(), number(), { description: 'By name.' }),
    Union([members({ type: Literal('a') }), members({ type: Literal('b') })]),
    Union([text(), list(text())], { description: 'One or many.' }),
    Unsafe<'a' | 'b'>(text({ enum: ['a', 'b'] })),
    members({ a: Optional(Unsafe<number>(text({ format: 'duration' }))) }),
  ]
}

test('our builders create the same schemas as TypeBox', () => {
  assert.deepEqual(
    examples(Type).map((schema) => JSON.stringify(schema)),
    examples(TypeBox).map((schema) => JSON.stringify(schema)),
  )
})

test('our builders can be mixed with those of TypeBox', () => {
  const mixed = Type.Object({ a: TypeBox.Optional(TypeBox.String()), b: TypeBox.String() })
  assert.deepEqual(
    JSON.stringify(mixed),
    JSON.stringify(TypeBox.Object({ a: Type.Optional(Type.String()), b: Type.String() })),
  )
})
