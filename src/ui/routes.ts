import { basename } from 'node:path'
import { Type } from 'typebox'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { failure, logLine, pipelineDetail, pipelineRow, project as projectInfo, series } from './api.ts'
import { sendLive } from './live.ts'
import type { Project } from './project.ts'
import type { Runs } from './runs.ts'

interface RouteOptions {
  readonly project: Project
  readonly runs: Runs
  readonly root: string
  readonly version: string
}

const named = { params: Type.Object({ name: Type.String({ description: 'Name of a pipeline.' }) }) }

/** Adds the routes of version 1. */
export function addRoutes(api: FastifyInstance, { project, runs, root, version }: RouteOptions): void {
  api.get('/openapi.json', { schema: { hide: true } }, () => api.swagger())
  api.get('/project', { schema: answers('What is served.', projectInfo) }, () => ({
    version,
    folder: basename(root),
    now: Date.now(),
  }))
  api.get(
    '/pipelines',
    { schema: answers('All pipelines of the project.', Type.Object({ pipelines: Type.Array(pipelineRow) })) },
    async () => ({ pipelines: await project.rows() }),
  )
  api.get<Named>(
    '/pipelines/:name',
    { schema: { ...named, ...answers('A pipeline: its file, its state, its objects.', pipelineDetail) } },
    ({ params }) => project.detail(params.name),
  )
  api.get<Named>(
    '/pipelines/:name/series',
    { schema: { ...named, ...answers('What its runs were like in the last hour.', series) } },
    ({ params }) => runs.of(params.name).history.series,
  )
  api.get<Named>(
    '/pipelines/:name/log',
    {
      schema: {
        ...named,
        ...answers(
          'The last lines of the log of its runs, the oldest first.',
          Type.Object({ lines: Type.Array(logLine) }),
        ),
      },
    },
    ({ params }) => ({ lines: runs.of(params.name).log.items }),
  )
  api.get<{ Querystring: { pipeline?: string } }>(
    '/live',
    {
      schema: {
        description: 'Server-sent events: `overview` or `failed`, and with a pipeline `status`, `log` and `ended`.',
        querystring: Type.Object({ pipeline: Type.Optional(Type.String({ description: 'Name of a pipeline.' })) }),
      },
    },
    ({ query: { pipeline } }, reply) => {
      reply.hijack()
      const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, String(value)] as const],
      )
      reply.raw.writeHead(200, { ...Object.fromEntries(headers), 'content-type': 'text/event-stream' })
      sendLive(reply, { project, runs, ...(pipeline !== undefined && { pipeline }) })
    },
  )
}

interface Named {
  Params: { name: string }
}

function answers(description: string, shape: object): FastifySchema {
  return { description, response: { 200: shape, '4xx': failure, '5xx': failure } }
}
