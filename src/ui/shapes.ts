/* Shapes that several parts of the JSON API use, and how shapes get a name. */
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import type { TypeOf } from '../observe/shapes.ts'

/** Names a shape: the OpenAPI document has it once, below `components.schemas`. `NAMED` lists all. */
export function named<Shape extends TSchema>(name: string, shape: Shape): Shape & { readonly $id: string } {
  return { ...shape, $id: name }
}

/** A named shape as a part of another one. */
export function reference<Shape extends TSchema & { readonly $id: string }>(shape: Shape) {
  return Type.Unsafe<Static<Shape>>({ $ref: `${shape.$id}#` })
}

export const problem = named(
  'Problem',
  Type.Object(
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
  ),
)

export type ApiProblem = TypeOf<typeof problem>

export const failure = named(
  'Failure',
  Type.Object(
    {
      error: Type.Object({
        code: Type.String({ description: 'As in docs/errors.md.' }),
        message: Type.String(),
        hint: Type.Optional(Type.String({ description: 'The way out.' })),
      }),
    },
    { description: 'Why a request was refused, or has failed.' },
  ),
)

export type ApiError = TypeOf<typeof failure>
