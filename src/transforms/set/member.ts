import type { Static } from 'typebox'
import { MemberPath, RecordPath, RecordTemplate } from '../../fields/fields.ts'
import { parseRecordTemplate } from '../../fields/key-template.ts'
import { Type } from '../../fields/typebox.ts'
import type { Json } from '../../record/json/json.ts'

/** An entry of `members` of `set`. */
export const MEMBER = Type.Object({
  path: MemberPath({
    description:
      'The member that gets the value, a path of keys. Objects on the way that are missing, or null, are made.',
  }),
  value: Type.Optional(Type.Unsafe<Json>({ description: 'A constant: any JSON value.' })),
  from: Type.Optional(
    RecordPath({ description: 'A path of keys: the value of that member is copied, with its bytes.' }),
  ),
  template: Type.Optional(
    RecordTemplate({
      description:
        'A text with values in it: `{record.<path>}`, `{record.<path>:yyyy-MM-dd}` for a time (in UTC), `{pipeline}`. Texts are inserted as they are, numbers as they are spelled.',
    }),
  ),
  ifAbsent: Type.Boolean({
    default: false,
    description: 'Sets a default: a record that has the member keeps its value, also if it is null.',
  }),
})

export type MemberConfig = Static<typeof MEMBER>

/** The paths of which the value is made. */
export function sourcesOf({ from, template }: MemberConfig): string[] {
  if (from !== undefined) return [from]
  if (template === undefined) return []
  return parseRecordTemplate(template).parts.flatMap((part) => (part.kind === 'record' ? [part.path] : []))
}
