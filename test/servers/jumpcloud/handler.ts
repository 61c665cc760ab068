import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Auth } from './auth.ts'
import { sendArray, sendBrokenArray } from './body.ts'
import type { Clock } from './clock.ts'
import { readCursor, writeCursor } from './cursor.ts'
import type { Endpoint, FaultSource, RequestFault } from './faults.ts'
import { badRequest, HttpError } from './http-error.ts'
import { countByInterval } from './interval.ts'
import type { Organization } from './organization.ts'
import { parseQuery } from './query.ts'
import type { Query } from './query.ts'
import type { LoggedRequest } from './requests.ts'
import { projectEvent, selectEvents, selectPage } from './select.ts'
import type { SelectRules } from './select.ts'

export interface HandlerContext {
  readonly organizations: readonly Organization[]
  readonly auth: Auth
  readonly clock: Clock
  readonly faults: FaultSource
  readonly requests: LoggedRequest[]
  readonly allows: (org: string) => boolean
  readonly retentionDays: number
  readonly endInclusive: boolean
  readonly missingFromAll: readonly string[]
  readonly repeatAtPageBorders: boolean
  readonly gzip: boolean
  readonly echoErrors: boolean
  /** Ends slow responses when the server closes. */
  readonly signal: AbortSignal
}

export const BASE_PATH = '/insights/directory/v1'

export function createHandler(context: HandlerContext): RequestListener {
  return (request, response) => {
    response.sendDate = false
    response.setHeader('Date', new Date(context.clock.now()).toUTCString())
    response.setHeader('X-Request-Id', randomUUID())
    const logged = logRequest(context, request)
    response.on('finish', () => {
      logged.status = response.statusCode
    })
    respond(context, request, response, logged).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else sendError(context, response, logged, error)
    })
  }
}

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  [`${BASE_PATH}/events`, 'events'],
  [`${BASE_PATH}/events/count`, 'count'],
  [`${BASE_PATH}/events/interval`, 'interval'],
  ['/oauth2/token', 'token'],
])

const MAX_BODY = 1024 * 1024

function logRequest({ organizations, clock, requests }: HandlerContext, request: IncomingMessage): LoggedRequest {
  const { method = '', url: path = '', headers } = request
  const named = headers['x-org-id']
  const only = organizations.length === 1 ? organizations[0].id : undefined
  const org = path === '/oauth2/token' ? undefined : typeof named === 'string' ? named : only
  const times = { time: clock.now(), arrived: performance.now() }
  const logged: LoggedRequest = { method, path, headers, body: '', org, ...times, status: 0 }
  requests.push(logged)
  return logged
}

async function respond(
  context: HandlerContext,
  request: IncomingMessage,
  response: ServerResponse,
  logged: LoggedRequest,
): Promise<void> {
  logged.body = await readBody(request)
  const endpoint = ENDPOINTS.get(logged.path)
  if (endpoint === undefined) throw new HttpError(404, 'Not Found')
  if (logged.method !== 'POST') throw new HttpError(405, 'Method Not Allowed', { Allow: 'POST' })
  const fault = context.faults.takeRequestFault({ org: logged.org, endpoint })
  if (fault !== undefined) return sendFault(context, response, logged, fault)
  if (endpoint === 'token') return sendJson(response, 200, context.auth.issueToken(request.headers, logged.body))
  const organization = context.auth.authorize(request.headers)
  if (!context.allows(organization.id)) throw new HttpError(429, 'Too Many Requests', { 'Retry-After': '1' })
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    throw badRequest('Content-Type must be application/json')
  const rules = { ...context, now: context.clock.now() }
  const query = parseQuery(logged.body, rules)
  if (endpoint === 'count') return sendJson(response, 200, { count: countOf(organization, query, rules) })
  if (endpoint === 'interval') return sendJson(response, 200, { buckets: countByInterval(organization, query, rules) })
  return sendPage(context, organization, query, request, response)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > MAX_BODY) throw new HttpError(413, 'Request Entity Too Large', { Connection: 'close' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function countOf(organization: Organization, query: Query, rules: SelectRules): number {
  let count = 0
  for (const _ of selectEvents(organization, query, rules)) count++
  return count
}

async function sendPage(
  context: HandlerContext,
  organization: Organization,
  query: Query,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const position = readCursor(organization, query)
  const { indices, end } = selectPage(organization, query, { ...context, now: context.clock.now() }, position)
  const acceptsGzip = context.gzip && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  const fault = context.faults.takePageFault({
    org: organization.id,
    endpoint: 'events',
    isFull: indices.length === query.limit,
    hasCursor: query.searchAfter !== undefined,
    acceptsGzip,
  })
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('X-Result-Count', indices.length)
  response.setHeader('X-Limit', query.limit)
  response.setHeader('X-Sort', query.sort)
  if (fault?.kind !== 'no-cursor') {
    const place = fault?.kind === 'repeat-cursor' ? position : end
    response.setHeader('X-Search_after', writeCursor(organization, query, place))
  }
  const texts = eventTexts(organization, query, indices)
  if (fault === undefined || fault.kind === 'no-cursor' || fault.kind === 'repeat-cursor')
    return sendArray(response, texts, acceptsGzip)
  return sendBrokenArray(response, texts, fault, context.signal)
}

function* eventTexts({ events }: Organization, { fields }: Query, indices: readonly number[]): Generator<string> {
  for (const index of indices)
    yield fields === undefined ? events.text(index) : projectEvent(events.text(index), fields)
}

function sendFault(
  context: HandlerContext,
  response: ServerResponse,
  logged: LoggedRequest,
  fault: RequestFault,
): void {
  switch (fault.kind) {
    case 'status': {
      const { status, retryAfter, asDate } = fault
      const date = new Date(context.clock.now() + (retryAfter ?? 0) * 1000).toUTCString()
      const headers = retryAfter === undefined ? undefined : { 'Retry-After': asDate ? date : String(retryAfter) }
      return sendError(context, response, logged, new HttpError(status, `fault ${status}`, headers))
    }
    case 'redirect':
      response.writeHead(307, { Location: fault.to + logged.path }).end()
      return
    case 'html':
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Sign in</title>')
      return
    case 'reset-before':
      response.socket?.resetAndDestroy()
      return
    case 'hang':
  }
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
}

/**
 * Errors are `{"message": …}`; those of the token endpoint `{"error": …}`. `echoErrors` adds the
 * request with its headers.
 */
function sendError(context: HandlerContext, response: ServerResponse, logged: LoggedRequest, error: unknown): void {
  const { status, message, headers } =
    error instanceof HttpError ? error : new HttpError(500, `emulation failed: ${String(error)}`)
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  const text = logged.path === '/oauth2/token' ? { error: message } : { message }
  const echo = { method: logged.method, path: logged.path, headers: logged.headers, body: logged.body }
  sendJson(response, status, context.echoErrors ? { ...text, request: echo } : text)
}
