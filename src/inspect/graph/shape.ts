import { Type } from 'typebox'
import type { TypeOf } from '../../observe/shapes.ts'

const nodeMembers = {
  name: Type.Optional(
    Type.String({
      description: 'Of a source and a transform: its stage in messages and reports. Of a sink: its name there.',
    }),
  ),
  title: Type.String(),
  details: Type.Array(Type.String(), { description: 'Further lines; each may be long.' }),
}

const node = Type.Object(nodeMembers)

export type GraphNode = TypeOf<typeof node>

const route = Type.Object({
  ...nodeMembers,
  to: Type.Union([Type.Array(Type.Integer({ minimum: 0 })), Type.Enum(['drop', 'reject'])], {
    description: 'Indexes of sinks, or what happens to the record.',
  }),
})

export type RouteNode = TypeOf<typeof route>

export const pipelineGraph = Type.Object(
  {
    name: Type.String(),
    description: Type.Optional(Type.String()),
    source: node,
    transforms: Type.Array(node, { description: 'In order.' }),
    routes: Type.Array(route, {
      description:
        'The routes that are tried in order, and what happens to the others. Empty: all sinks get all records.',
    }),
    sinks: Type.Array(node),
    rejects: node,
  },
  { description: 'A pipeline to draw: what its records pass, from the top, and what takes them. Values as written.' },
)

/** A pipeline to draw: what its records pass, from the top, and what takes them. */
export type PipelineGraph = TypeOf<typeof pipelineGraph>
