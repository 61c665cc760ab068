/*
 * What shapes of JSON need: TypeBox schemas from which types and descriptions come. TypeBox takes long to load, so
 * files with a shape hold nothing else, and what only needs the type imports the type.
 */
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'

/** The type of a shape. All in it is read-only, lists too. */
export type TypeOf<Shape extends TSchema> = Immutable<Static<Shape>>

type Immutable<Value> = { readonly [Key in keyof Value]: Immutable<Value[Key]> }

export const count = (description: string) => Type.Integer({ minimum: 0, description })
