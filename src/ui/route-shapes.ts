import { Type } from 'typebox'
import type { FastifySchema } from 'fastify'
import { failure, reference } from './shapes.ts'

/** Of routes below a pipeline. */
export const ofPipeline = { params: Type.Object({ name: Type.String({ description: 'Name of a pipeline.' }) }) }

export interface Named {
  Params: { name: string }
}

/** The part of a route's schema that says what it answers. */
export function answers(description: string, shape: object): FastifySchema {
  return { description, response: { 200: shape, '4xx': reference(failure), '5xx': reference(failure) } }
}
