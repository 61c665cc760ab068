/* Shapes that several parts of the JSON API use. */
import { Type } from 'typebox'
import type { Static } from 'typebox'

export const count = (description: string) => Type.Integer({ minimum: 0, description })

export const problem = Type.Object(
  {
    severity: Type.Enum(['error', 'warning', 'note']),
    file: Type.String(),
    line: Type.Integer({ description: 'From 1.' }),
    column: Type.Integer({ description: 'From 1.' }),
    length: Type.Integer({ description: 'Characters.' }),
    message: Type.String(),
    hint: Type.Optional(Type.String({ description: 'How to fix it.' })),
  },
  { description: 'As `sluice check --json` prints it.' },
)

export type ApiProblem = Static<typeof problem>

export const failure = Type.Object({
  error: Type.Object({
    code: Type.String({ description: 'As in docs/errors.md.' }),
    message: Type.String(),
    hint: Type.Optional(Type.String({ description: 'The way out.' })),
  }),
})

export type ApiError = Static<typeof failure>
