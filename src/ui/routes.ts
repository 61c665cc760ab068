import { basename } from 'node:path'
import { Type } from 'typebox'
import type { FastifyInstance } from 'fastify'
import { liveEvent, logLine, pipelineDetail, pipelineRow, project as projectInfo, series } from './api.ts'
import { sendLive } from './live.ts'
import type { Project } from './project.ts'
import { answers, ofPipeline } from './route-shapes.ts'
import type { Named } from './route-shapes.ts'
import { addRejects } from './rejects/routes.ts'
import type { Rejects } from './rejects/rejects.ts'
import type { Runs } from './runs.ts'
import { reference } from './shapes.ts'
import { addWorkbench } from './workbench/routes.ts'
import type { Workbench } from './workbench/workbench.ts'

interface RouteOptions {
  readonly project: Project
  readonly runs: Runs
  readonly workbench: Workbench
  readonly rejects: Rejects
  readonly root: string
  readonly edit: boolean
  readonly version: string
}

/** Adds the routes of version 1. */
export function addRoutes(
  api: FastifyInstance,
  { project, runs, workbench, rejects, root, edit, version }: RouteOptions,
): void {
  api.get('/openapi.json', { schema: { hide: true } }, () => api.swagger())
  api.get('/project', { schema: answers('What is served.', projectInfo) }, () => ({
    version,
    folder: basename(root),
    canEdit: edit,
    now: Date.now(),
  }))
  api.get(
    '/pipelines',
    {
      schema: answers('All pipelines of the project.', Type.Object({ pipelines: Type.Array(reference(pipelineRow)) })),
    },
    async () => ({ pipelines: await project.rows() }),
  )
  api.get<Named>(
    '/pipelines/:name',
    { schema: { ...ofPipeline, ...answers('A pipeline: its file, its state, its objects.', pipelineDetail) } },
    ({ params }) => project.detail(params.name),
  )
  api.get<Named>(
    '/pipelines/:name/series',
    { schema: { ...ofPipeline, ...answers('What its runs were like in the last hour.', series) } },
    ({ params }) => runs.of(params.name).history.series,
  )
  api.get<Named>(
    '/pipelines/:name/log',
    {
      schema: {
        ...ofPipeline,
        ...answers(
          'The last lines of the log of its runs, the oldest first.',
          Type.Object({ lines: Type.Array(reference(logLine)) }),
        ),
      },
    },
    ({ params }) => ({ lines: runs.of(params.name).log.items }),
  )
  addWorkbench(api, workbench)
  addRejects(api, rejects)
  api.get<{ Querystring: { pipeline?: string } }>(
    '/live',
    {
      schema: {
        ...answers('Server-sent events.', {
          description: 'Each event.',
          content: { 'text/event-stream': { schema: reference(liveEvent) } },
        }),
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
