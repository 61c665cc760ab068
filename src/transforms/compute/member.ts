import type { Static } from 'typebox'
import { Expression, MemberPath } from '../../fields/fields.ts'
import { Type } from '../../fields/typebox.ts'
import type { Json } from '../../record/json/json.ts'

/** An entry of `members` of `compute`. */
export const MEMBER = Type.Object({
  path: MemberPath({
    description:
      'The member that gets the value, a path of keys. Objects on the way that are missing, or null, are made.',
  }),
  value: Expression({
    description:
      'A CEL expression over `record`, see `docs/expressions.md`. An optional without a value, such as `record.?name` where the member is absent, leaves the member as it is.',
  }),
  default: Type.Optional(
    Type.Unsafe<Json>({ description: 'Any JSON value: what the member gets if the expression fails for a record.' }),
  ),
  ifAbsent: Type.Boolean({
    default: false,
    description: 'A record that has the member keeps its value, also if it is null. The expression is not evaluated.',
  }),
})

export type MemberConfig = Static<typeof MEMBER>
