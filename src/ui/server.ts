import fastifySwagger from '@fastify/swagger'
import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { asSluiceError, SluiceError, systemCode } from '../errors.ts'
import { safeJson } from '../observe/output.ts'
import { Access } from './access.ts'
import { API } from './api.ts'
import { HEADERS } from './headers.ts'
import { readPage } from './page-files.ts'
import { Project } from './project.ts'
import { addRoutes } from './routes.ts'

interface ServeOptions {
  /** The project folder. */
  readonly root: string
  /** The folder that holds the states of pipelines. */
  readonly states: string
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined
  /** For scripts, see `Access`. */
  readonly token?: string | undefined
  readonly version: string
}

export interface UiServer {
  /** With a token that works once. */
  readonly url: string
  /** The page is not built: only the API is there. */
  readonly hasPage: boolean
  close(): Promise<void>
}

/**
 * Serves the page and its API until `close`.
 * @throws SluiceError USAGE if it cannot listen there
 */
export async function serveUi(options: ServeOptions): Promise<UiServer> {
  const { root, states, host, port, tls, token, version } = options
  const project = new Project({ root, states })
  const page = readPage()
  const server = fastify({
    ...(tls && { https: tls }),
    bodyLimit: MOST_BODY,
    // A browser keeps its connections, and live ones do not end.
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: true, removeAdditional: false } },
  })
  let access: Access | undefined
  server.setSerializerCompiler(() => (data) => safeJson(data))
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    const { headers, url } = request
    const refusal = access?.refuse(headers) ?? (access ? undefined : { status: 421, message: 'starting' })
    if (refusal) return sendText(reply, refusal.status, refusal.message)
    const [path] = url.split('?')
    // The printed address brings its token, see below.
    if (path === '/' && url.includes('?token=')) return undefined
    if (access?.isAllowed(headers) === true) return undefined
    if (path.startsWith(API)) {
      const message = 'the API needs the cookie of the page, or the token of --token-file'
      return reply
        .code(401)
        .header('www-authenticate', 'Bearer')
        .send({ error: { code: 'USAGE', message } })
    }
    return sendText(
      reply,
      401,
      'Open the address that `sluice ui` has printed. It works once; start it again for another.',
    )
  })
  server.setErrorHandler((error, _request, reply) => {
    const { statusCode } = error instanceof Error && 'statusCode' in error ? error : { statusCode: undefined }
    const known = asSluiceError(error, statusCode === undefined ? 'INTERNAL' : 'USAGE', messageOf(error))
    const status = STATUSES[known.code] ?? (typeof statusCode === 'number' ? statusCode : 500)
    const { code, message, hint } = known
    return reply.code(status).send({ error: { code, message, ...(hint !== undefined && { hint }) } })
  })
  server.setNotFoundHandler((request, reply) => {
    if (request.url.startsWith(API)) throw new SluiceError('USAGE', `there is no ${request.method} ${request.url}`)
    return sendText(reply, 404, 'not found')
  })
  await server.register(fastifySwagger, {
    openapi: { openapi: '3.1.0', info: { title: 'sluice ui', version: '1' }, servers: [{ url: API }] },
  })
  await server.register(async (api) => addRoutes(api, { project, version, root }), { prefix: API })
  server.get('/', { schema: { hide: true } }, (request, reply) => {
    const once = new URL(request.url, 'http://localhost').searchParams.get('token')
    if (once === null) return sendPage(reply, page)
    const cookie = access?.enter(once)
    if (cookie === undefined && access?.isAllowed(request.headers) !== true)
      return sendText(reply, 401, 'This address was used before. Start `sluice ui` again for another one.')
    // Without the token: it stays in no history.
    if (cookie !== undefined) reply.header('set-cookie', cookie)
    return reply.redirect('/', 303)
  })
  // Every view has an address; what is shown there is up to the page.
  server.get('/pipelines/:name', { schema: { hide: true } }, (_request, reply) => sendPage(reply, page))
  for (const [path, { type, bytes, isForever }] of page ?? [])
    server.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply
        .type(type)
        .header('cache-control', isForever ? 'private, max-age=31536000, immutable' : 'no-store')
        .send(bytes),
    )
  const listening = await listen(server, host, port)
  access = new Access({ hosts: namesOf(host), port: listening, isTls: tls !== undefined, token })
  project.open()
  const shown = host.includes(':') ? `[${host}]` : host
  return {
    url: `${tls ? 'https' : 'http'}://${shown}:${listening}/?token=${access.once}`,
    hasPage: page !== undefined,
    async close() {
      await server.close()
      await project.close()
    },
  }
}

/** Bytes: samples of the workbench are sent in a request. */
const MOST_BODY = 8_000_000

const STATUSES: { readonly [code: string]: number } = {
  PIPELINE_NOT_FOUND: 404,
  STATE_NOT_FOUND: 404,
  NOT_RUNNING: 409,
}

async function listen(server: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await server.listen({ host, port })
  } catch (error) {
    const code = systemCode(error)
    throw new SluiceError('USAGE', `the page cannot be served at ${host}:${port}: ${code ?? messageOf(error)}`, {
      cause: error,
      hint: 'give another --port, or leave it out for any that is free',
    })
  }
  const [address] = server.addresses()
  return typeof address === 'object' ? address.port : port
}

/** Loopback has several names. */
function namesOf(host: string): string[] {
  const shown = host.includes(':') ? `[${host}]` : host
  return /^(127\.|::1$|localhost$)/.test(host) ? [...new Set([shown, 'localhost', '127.0.0.1', '[::1]'])] : [shown]
}

function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).type('text/plain; charset=utf-8').serializer(String).send(`${text}\n`)
}

function sendPage(reply: FastifyReply, page: ReturnType<typeof readPage>): FastifyReply {
  const index = page?.get('/index.html')
  if (index) return reply.type(index.type).send(index.bytes)
  return sendText(reply, 503, 'The page is not built in this checkout: run `npm run build`. The API is at /api/v1.')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
