import type { Static } from 'typebox'
import { Type } from '../../fields/typebox.ts'
import type { Json } from '../../record/json/json.ts'
import { ifAbsent, targetPath } from '../members/target-fields.ts'

/** An entry of `set` of `lookup`. */
export const MEMBER = Type.Object({
  path: targetPath,
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
  ifAbsent,
})

export type MemberConfig = Static<typeof MEMBER>
