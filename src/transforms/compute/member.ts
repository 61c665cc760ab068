import type { Static } from 'typebox'
import { Expression } from '../../fields/fields.ts'
import { Type } from '../../fields/typebox.ts'
import type { Json } from '../../record/json/json.ts'
import { ifAbsent, targetPath } from '../members/target-fields.ts'

/** An entry of `members` of `compute`. */
export const MEMBER = Type.Object({
  path: targetPath,
  value: Expression({
    description:
      'A CEL expression over `record`, see `docs/expressions.md`. An optional without a value, such as `record.?name` where the member is absent, leaves the member as it is.',
  }),
  default: Type.Optional(
    Type.Unsafe<Json>({ description: 'Any JSON value: what the member gets if the expression fails for a record.' }),
  ),
  ifAbsent,
})

export type MemberConfig = Static<typeof MEMBER>
