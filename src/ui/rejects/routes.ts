import { Type } from 'typebox'
import type { FastifyInstance } from 'fastify'
import type { TypeOf } from '../../observe/shapes.ts'
import { answers, ofPipeline } from '../route-shapes.ts'
import type { Named } from '../route-shapes.ts'
import { rejectChoice, rejectDetail, rejectPage, rejectQuery, replayAnswer, tryAnswer } from './api.ts'
import type { Rejects } from './rejects.ts'

/** Adds the routes of the dead-letter queues. */
export function addRejects(api: FastifyInstance, rejects: Rejects): void {
  api.get<Named & { Querystring: TypeOf<typeof rejectQuery> }>(
    '/pipelines/:name/rejects',
    {
      schema: {
        ...ofPipeline,
        querystring: rejectQuery,
        ...answers('A page of the dead-letter queue, the newest reject first.', rejectPage),
      },
    },
    ({ params, query }, reply) => {
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      return rejects.list(params.name, query, gone.signal)
    },
  )
  api.get<{ Params: TypeOf<typeof one>; Querystring: TypeOf<typeof detailQuery> }>(
    '/pipelines/:name/rejects/:id',
    { schema: { params: one, querystring: detailQuery, ...answers('A reject with its record.', rejectDetail) } },
    ({ params: { name, id }, query: { unparsed = false } }) => rejects.detail(name, id, unparsed),
  )
  api.post<Named & { Body: TypeOf<typeof rejectChoice> }>(
    '/pipelines/:name/rejects/try',
    options('What a replay would make of rejects. Writes nothing.', tryAnswer),
    ({ params, body }) => rejects.try(params.name, body),
  )
  api.post<Named & { Body: TypeOf<typeof rejectChoice> }>(
    '/pipelines/:name/rejects/replay',
    options('Replays rejects, and answers when it is done. Needs `--edit`.', replayAnswer),
    ({ params, body }) => rejects.replay(params.name, body),
  )
}

const one = Type.Object({
  name: Type.String({ description: 'Name of a pipeline.' }),
  id: Type.String({ description: 'Of a reject.' }),
})

const detailQuery = Type.Object({
  unparsed: Type.Optional(
    Type.Boolean({ description: 'Also a line that did not parse, in which nothing is redacted. Default: no.' }),
  ),
})

function options(description: string, answer: object) {
  return { bodyLimit: LARGEST, schema: { ...ofPipeline, body: rejectChoice, ...answers(description, answer) } }
}

/** Bytes of a request: corrected records, in JSON. */
const LARGEST = 16 * 1024 * 1024
