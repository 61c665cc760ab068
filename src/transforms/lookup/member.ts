import type { Static } from 'typebox'
import { MemberPath } from '../../fields/fields.ts'
import { Type } from '../../fields/typebox.ts'
import type { Json } from '../../record/json/json.ts'

/** An entry of `set` of `lookup`. */
export const MEMBER = Type.Object({
  path: MemberPath({
    description:
      'The member that gets the value, a path of keys. Objects on the way that are missing, or null, are made.',
  }),
  from: Type.String({
    minLength: 1,
    description:
      'Where the value is in the table: the name of a CSV column, the path of a member in an NDJSON line, or a path into a MaxMind record, such as `city.names.en` or `subdivisions[0].iso_code`.',
  }),
  default: Type.Optional(
    Type.Unsafe<Json>({
      description: 'The value if the table has none: any JSON value. Without it, the member stays as it is.',
    }),
  ),
  ifAbsent: Type.Boolean({
    default: false,
    description: 'A record that has the member keeps its value, also if it is null.',
  }),
})

export type MemberConfig = Static<typeof MEMBER>
