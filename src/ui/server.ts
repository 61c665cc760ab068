import fastifySwagger from '@fastify/swagger'
import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { isEveryAddress, isLoopback } from '../network/tls.ts'
import { listenReason } from '../observe/serving.ts'
import { safeJson } from '../observe/output.ts'
import { Access, HAS_PORT } from './access.ts'
import { API, NAMED } from './api.ts'
import { HEADERS } from './headers.ts'
import { readPage } from './page-files.ts'
import { Project } from './project.ts'
import { OwnRuns } from './own-runs.ts'
import { describeFailure, Refused, statusOfError } from './failures.ts'
import { Rejects } from './rejects/rejects.ts'
import { addRoutes } from './routes.ts'
import { Runs } from './runs.ts'
import { watchSockets } from './watch-sockets.ts'
import { Workbench } from './workbench/workbench.ts'

/** Where the page is served. */
interface UiAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Further names by which the page is reached, see `Access`. */
  readonly names?: readonly string[]
  /** The options of the command line, for messages. */
  readonly written: string
}

interface ServeOptions {
  /** The project folder. */
  readonly root: string
  /** The folder that holds the states of pipelines. */
  readonly states: string
  readonly address: UiAddress
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined
  /** Files may be changed, texts tried and rejects replayed. Otherwise the page only shows what is there. */
  readonly edit: boolean
  /** For scripts, see `Access`. */
  readonly token?: string | undefined
  readonly version: string
}

export interface UiServer {
  /** With a token that works once. */
  readonly url: string
  /** The page is not built: only the API is there. */
  readonly hasPage: boolean
  /** Shows a run of this process. Call it before the run begins. Returns a function that ends it. */
  watch(this: void, events: RunEvents): () => void
  close(): Promise<void>
}

/**
 * Serves the page and its API until `close`.
 * @throws SluiceError USAGE if it cannot listen there, or the certificate and its key are not usable
 */
export async function serveUi(options: ServeOptions): Promise<UiServer> {
  const { root, states, address, tls, edit, token, version } = options
  const runs = new Runs()
  const own = new OwnRuns(runs)
  const project = new Project({ root, states, runs })
  const workbench = new Workbench({ root, edit })
  const rejects = new Rejects({ root, states, edit })
  const page = readPage()
  const server = createServer(tls)
  let access: Access | undefined
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    return access === undefined ? sendText(reply, 421, 'starting') : refuse(access, request, reply)
  })
  await server.register(fastifySwagger, {
    openapi: { openapi: '3.1.0', info: { title: 'sluice ui', version: '1' }, servers: [{ url: API }] },
    refResolver: { buildLocalReference: ({ $id }) => (typeof $id === 'string' ? $id : 'unnamed') },
  })
  await server.register(async (api) => addRoutes(api, { project, runs, workbench, rejects, version, root, edit }), {
    prefix: API,
  })
  server.get('/', hidden, (request, reply) => {
    const once = new URL(request.url, 'http://localhost').searchParams.get('token')
    if (once === null) return sendPage(reply, page)
    const cookie = access?.enter(once)
    if (cookie === undefined && access?.isAllowed(request.headers) !== true)
      return sendText(reply, 401, 'This address was used before. `sluice ui` prints another one.')
    // Without the token: it stays in no history.
    if (cookie !== undefined) reply.header('set-cookie', cookie)
    return reply.redirect('/', 303)
  })
  // What is shown there is up to the page.
  for (const view of VIEWS) server.get(view, hidden, (_request, reply) => sendPage(reply, page))
  addPage(server, page)
  const { host, names = [] } = address
  const listening = await listen(server, address)
  access = new Access({ hosts: namesOf(host), names, port: listening, isTls: tls !== undefined, token })
  const ending = new AbortController()
  const watching = watchSockets({ states, skips: (pipeline) => own.has(pipeline), signal: ending.signal }, runs)
  return {
    url: `${tls ? 'https' : 'http'}://${shownAddress(address, listening)}/?token=${access.once}`,
    hasPage: page !== undefined,
    watch: (events) => own.add(events),
    async close() {
      await rejects.close()
      await server.close()
      ending.abort()
      await watching
      await Promise.all([project.close(), workbench.close()])
    },
  }
}

/** Every view has an address. */
const VIEWS = ['/pipelines/:name', '/pipelines/:name/rejects', '/pipelines/:name/workbench']

const hidden = { schema: { hide: true } }

function createServer(tls: ServeOptions['tls']): FastifyInstance {
  const server = openFastify(tls)
  // Shapes only describe: members of a newer run are sent too. A scope that adds shapes of its own would get
  // Fastify's serializer, which drops members.
  for (const shape of NAMED) server.addSchema(shape)
  server.setSerializerCompiler(() => (data) => safeJson(data))
  server.setErrorHandler((error, _request, reply) => {
    const { statusCode } = error instanceof Error && 'statusCode' in error ? error : { statusCode: undefined }
    const known = describeFailure(error, statusCode === undefined ? 'INTERNAL' : 'USAGE')
    return reply.code(typeof statusCode === 'number' ? statusCode : statusOfError(known.error)).send(known)
  })
  server.setNotFoundHandler((request, reply) => {
    if (request.url.startsWith(API)) throw new Refused(404, 'USAGE', `there is no ${request.method} ${request.url}`)
    return sendText(reply, 404, 'not found')
  })
  return server
}

function openFastify(tls: ServeOptions['tls']): FastifyInstance {
  try {
    return fastify({
      ...(tls && { https: tls }),
      // A browser keeps its connections, and live ones do not end.
      forceCloseConnections: true,
    })
  } catch (error) {
    throw new SluiceError('USAGE', `--tls-cert and --tls-key cannot be used: ${messageOf(error)}`, {
      cause: error,
      hint: 'both are PEM files, and the key is that of the certificate, without a passphrase',
    })
  }
}

/** Answers a request that is refused; otherwise undefined. */
function refuse(access: Access, { headers, url }: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  const refusal = access.refuse(headers)
  if (refusal) return sendText(reply, refusal.status, refusal.message)
  const [path] = url.split('?')
  // The printed address brings its token, which its route takes.
  if ((path === '/' && url.includes('?token=')) || access.isAllowed(headers)) return undefined
  if (!path.startsWith(API))
    return sendText(reply, 401, 'Open the address that was printed. It works once; `sluice ui` prints another one.')
  const message = 'the API needs the cookie of the page, or the token of --token-file'
  return reply
    .code(401)
    .header('www-authenticate', 'Bearer')
    .send({ error: { code: 'USAGE', message } })
}

function addPage(server: FastifyInstance, page: ReturnType<typeof readPage>): void {
  for (const [path, { type, bytes, isForever }] of page ?? [])
    server.get(path, hidden, (_request, reply) =>
      reply
        .type(type)
        .header('cache-control', isForever ? 'private, max-age=31536000, immutable' : 'no-store')
        .send(bytes),
    )
}

async function listen(server: FastifyInstance, { host, port, written }: UiAddress): Promise<number> {
  try {
    await server.listen({ host, port })
  } catch (error) {
    throw new SluiceError('USAGE', `${written}: ${listenReason(error)}`, {
      cause: error,
      hint: 'leave that out for a free port of this machine',
    })
  }
  const [address] = server.addresses()
  return typeof address === 'object' ? address.port : port
}

/** Where a browser finds the page. A name may have a port of its own, that of a proxy or a container. */
function shownAddress({ host, names: [name] = [] }: UiAddress, port: number): string {
  if (name === undefined) return `${bracketed(host)}:${port}`
  return HAS_PORT.test(name) ? name : `${name}:${port}`
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Loopback has several names, and all addresses together have none. */
function namesOf(host: string): string[] {
  if (isEveryAddress(host)) return []
  const shown = bracketed(host)
  return isLoopback(host) ? [...new Set([shown, 'localhost', '127.0.0.1', '[::1]'])] : [shown]
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
