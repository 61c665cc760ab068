import type { Static } from 'typebox'
import { RecordPath, RecordTemplate } from '../../fields/fields.ts'
import { parseRecordTemplate } from '../../fields/key-template.ts'
import { Type } from '../../fields/typebox.ts'
import type { Json } from '../../record/json/json.ts'
import { ifAbsent, targetPath } from '../members/target-fields.ts'

/** An entry of `members` of `set`. */
export const MEMBER = Type.Object({
  path: targetPath,
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
  ifAbsent,
})

export type MemberConfig = Static<typeof MEMBER>

/** The paths of which the value is made. */
export function sourcesOf({ from, template }: MemberConfig): string[] {
  if (from !== undefined) return [from]
  if (template === undefined) return []
  return parseRecordTemplate(template).parts.flatMap((part) => (part.kind === 'record' ? [part.path] : []))
}
