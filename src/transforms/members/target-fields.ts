import { MemberPath } from '../../fields/fields.ts'
import { Type } from '../../fields/typebox.ts'

/** Where a value goes. */
export const targetPath = MemberPath({
  description:
    'The member that gets the value, a path of keys. Objects on the way that are missing, or null, are made.',
})

export const ifAbsent = Type.Boolean({
  default: false,
  description: 'Sets a default: a record that has the member keeps its value, also if it is null.',
})
