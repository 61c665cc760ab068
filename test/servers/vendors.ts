import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { startServer } from '../sources/http/read-source.ts'
import type { TestServer } from '../sources/http/read-source.ts'

/** An API with a pipeline in `pipelines/`, emulated from its public documentation. */
export interface Vendor {
  /** Name of the pipeline. */
  readonly name: string
  /** Environment variables of its pipeline. Every secret starts with `canary`. */
  readonly env: (origin: string) => { readonly [name: string]: string }
  /** Command-line options that set the page size. */
  readonly pages: (size: number) => string[]
  /** The event with this number and time. */
  readonly event: (number: number, time: number) => object
  /** The number of a written event. */
  readonly numberOf: (record: { readonly [key: string]: unknown }) => number
  /** The response once the rate limit is used up, until `reset` (Unix seconds). */
  readonly limited: (reset: string) => {
    readonly status: number
    readonly headers: { readonly [name: string]: string }
  }
  readonly respond: (call: Call) => void
}

interface Call {
  readonly request: TestServer['requests'][number]
  readonly response: ServerResponse
  /** The events in `[from, to]`, oldest first. */
  readonly between: (from: number, to: number) => { readonly event: object; readonly time: number }[]
}

interface VendorServer extends TestServer {
  /** Adds events at these times. */
  add(times: readonly number[]): void
}

/**
 * Serves a vendor's API on localhost. Every 7th request fails temporarily, and every 11th exceeds
 * the rate limit.
 */
export async function startVendor(context: TestContext, vendor: Vendor): Promise<VendorServer> {
  const events: { event: object; time: number }[] = []
  let calls = 0
  const server = await startServer(context, (request, response) => {
    if (++calls % 7 === 0) {
      response.writeHead(503, { 'retry-after': '0' }).end()
      return
    }
    if (calls % 11 === 0) {
      const { status, headers } = vendor.limited(String(Math.floor(Date.now() / 1000)))
      send(response, status, { message: 'rate limit exceeded' }, headers)
      return
    }
    vendor.respond({
      request,
      response,
      between: (from, to) => events.filter(({ time }) => time >= from && time <= to),
    })
  })
  return {
    ...server,
    add(times) {
      for (const time of times) events.push({ event: vendor.event(events.length, time), time })
      events.sort((a, b) => a.time - b.time)
    },
  }
}

function send(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: { [name: string]: string | undefined } = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

function iso(time: number): string {
  return new Date(time).toISOString()
}

function hasToken({ authorization }: IncomingHttpHeaders, scheme: string): boolean {
  return authorization === `${scheme} ${TOKEN}`
}

const TOKEN = 'canary-token-0123456789'

function parameter({ url }: { readonly url: URL }, name: string): string {
  const value = url.searchParams.get(name)
  if (value === null) throw new Error(`the request has no ${name}`)
  return value
}

/**
 * At most 1,000 events per page. `since` is inclusive, `until` is not. A full page links to the
 * next one, which may be empty.
 */
const okta: Vendor = {
  name: 'okta',
  env: (origin) => ({ OKTA_ORG_URL: origin, OKTA_API_TOKEN: TOKEN }),
  pages: (size) => ['--set', `source.request.query.limit="${size}"`],
  event: (number, time) => ({
    uuid: `uuid-${number}`,
    published: iso(time),
    eventType: 'user.session.start',
    severity: 'INFO',
  }),
  numberOf: ({ uuid }) => Number(String(uuid).slice(5)),
  limited: (reset) => ({ status: 429, headers: { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': reset } }),
  respond({ request, response, between }) {
    if (!hasToken(request.headers, 'SSWS'))
      return send(response, 401, { errorCode: 'E0000011', errorSummary: 'Invalid token provided' })
    const limit = Number(parameter(request, 'limit'))
    if (limit > 1000 || parameter(request, 'sortOrder') !== 'ASCENDING')
      return send(response, 400, { errorCode: 'E0000001', errorSummary: 'Api validation failed' })
    const start = Number(request.url.searchParams.get('after') ?? 0)
    const until = Date.parse(parameter(request, 'until'))
    const found = between(Date.parse(parameter(request, 'since')), until - 1)
    const page = found.slice(start, start + limit)
    const next = new URL(request.url)
    next.searchParams.set('after', String(start + limit))
    const links = [
      `<${request.url.href}>; rel="self"`,
      ...(page.length === limit ? [`<${next.href}>; rel="next"`] : []),
    ]
    const rate = { 'x-rate-limit-limit': '60', 'x-rate-limit-remaining': '59', 'x-rate-limit-reset': '1700000000' }
    send(
      response,
      200,
      page.map(({ event }) => event),
      { ...rate, link: links.join(', ') },
    )
  },
}

/**
 * A search phrase with whole seconds, at most 100 events per page, and a Link header with cursors.
 */
const github: Vendor = {
  name: 'github',
  env: (origin) => ({ GITHUB_API_URL: origin, GITHUB_ORG: 'octo-corp', GITHUB_TOKEN: TOKEN }),
  pages: (size) => ['--set', `source.request.query.per_page="${size}"`],
  event: (number, time) => ({
    '@timestamp': time,
    _document_id: `document-${number}`,
    action: 'team.add_member',
    created_at: time,
    org: 'octo-corp',
  }),
  numberOf: ({ _document_id: id }) => Number(String(id).slice(9)),
  limited: (reset) => ({ status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset } }),
  respond({ request, response, between }) {
    if (!hasToken(request.headers, 'Bearer')) return send(response, 401, { message: 'Bad credentials' })
    if (request.headers['user-agent'] === undefined) return send(response, 403, { message: 'User-Agent is missing' })
    const second = String.raw`(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)`
    const range = new RegExp(`^created:${second}\\.\\.${second}$`).exec(parameter(request, 'phrase'))
    if (range === null || request.url.pathname !== '/orgs/octo-corp/audit-log' || parameter(request, 'order') !== 'asc')
      return send(response, 422, { message: 'Validation Failed' })
    const limit = Math.min(100, Number(parameter(request, 'per_page')))
    const start = Number(request.url.searchParams.get('after') ?? 0)
    const found = between(Date.parse(range[1]), Date.parse(range[2]) + 999)
    const next = new URL(request.url)
    next.searchParams.set('after', String(start + limit))
    const link =
      start + limit < found.length ? { link: `<${next.href}>; rel="next", <${request.url.href}>; rel="first"` } : {}
    send(
      response,
      200,
      found.slice(start, start + limit).map(({ event }) => event),
      link,
    )
  },
}

/** Unix times, both inclusive. Newest first. The last page has an empty cursor. */
const slack: Vendor = {
  name: 'slack',
  env: (origin) => ({ SLACK_AUDIT_URL: origin, SLACK_TOKEN: TOKEN }),
  pages: (size) => ['--set', `source.request.query.limit="${size}"`],
  event: (number, time) => ({ id: `id-${number}`, date_create: Math.floor(time / 1000), action: 'user_login' }),
  numberOf: ({ id }) => Number(String(id).slice(3)),
  limited: () => ({ status: 429, headers: { 'retry-after': '0' } }),
  respond({ request, response, between }) {
    if (!hasToken(request.headers, 'Bearer')) return send(response, 401, { ok: false, error: 'invalid_authentication' })
    const limit = Math.min(9999, Number(parameter(request, 'limit')))
    const start = Number(request.url.searchParams.get('cursor')?.slice(1) ?? 0)
    const from = Number(parameter(request, 'oldest')) * 1000
    const found = between(from, Number(parameter(request, 'latest')) * 1000 + 999).toReversed()
    const entries = found.slice(start, start + limit).map(({ event }) => event)
    const cursor = start + limit < found.length ? `c${start + limit}` : ''
    send(response, 200, { entries, response_metadata: { next_cursor: cursor } })
  },
}

/**
 * Signed requests, times in milliseconds, at most 1,000 events per page, nothing from the last two
 * minutes. The last page has a null offset.
 */
const duo: Vendor = {
  name: 'duo',
  env: (origin) => ({ DUO_API_URL: origin, DUO_INTEGRATION_KEY: 'DIXYZ', DUO_SECRET_KEY: TOKEN }),
  pages: (size) => ['--set', `source.request.query.limit="${size}"`],
  event: (number, time) => ({
    activity_id: `activity-${number}`,
    ts: iso(time).replace('Z', '000+00:00'),
    action: { name: 'admin_login' },
  }),
  numberOf: ({ activity_id: id }) => Number(String(id).slice(9)),
  limited: () => ({ status: 429, headers: {} }),
  respond({ request, response, between }) {
    const { date = '', host, authorization } = request.headers
    const fail = { stat: 'FAIL', code: 40103, message: 'Invalid signature in request credentials' }
    const parameters = request.url.search.slice(1).split('&').toSorted().join('&')
    const text = [date, request.method, host, request.url.pathname, parameters].join('\n')
    const signature = createHmac('sha1', TOKEN).update(text).digest('hex')
    const expected = `Basic ${Buffer.from(`DIXYZ:${signature}`).toString('base64')}`
    if (authorization !== expected || Math.abs(Date.parse(date) - Date.now()) > 300_000)
      return send(response, 401, fail)
    const limit = Number(parameter(request, 'limit'))
    const from = Number(parameter(request, 'mintime'))
    const to = Number(parameter(request, 'maxtime'))
    if (limit > 1000 || from >= to || parameter(request, 'sort') !== 'ts:asc')
      return send(response, 400, { stat: 'FAIL', code: 40002, message: 'Invalid request parameters' })
    const start = Number(request.url.searchParams.get('next_offset')?.split(',')[1] ?? 0)
    const found = between(from, Math.min(to, Date.now() - 120_000))
    const more = start + limit < found.length
    const metadata = {
      next_offset: more ? `${found[start].time},${start + limit}` : null,
      total_objects: found.length,
    }
    const items = found.slice(start, start + limit).map(({ event }) => event)
    send(response, 200, { stat: 'OK', response: { items, metadata } })
  },
}

/** Numbered pages of at most 1,000 entries. Newest first by default. */
const cloudflare: Vendor = {
  name: 'cloudflare',
  env: (origin) => ({ CLOUDFLARE_API_URL: origin, CLOUDFLARE_ACCOUNT_ID: 'account', CLOUDFLARE_API_TOKEN: TOKEN }),
  pages: (size) => ['--set', `source.request.query.per_page="${size}"`],
  event: (number, time) => ({ id: `id-${number}`, when: iso(time), action: { type: 'login', result: true } }),
  numberOf: ({ id }) => Number(String(id).slice(3)),
  limited: () => ({ status: 429, headers: { 'retry-after': '0' } }),
  respond({ request, response, between }) {
    const errors = [{ code: 10000, message: 'Authentication error' }]
    if (!hasToken(request.headers, 'Bearer')) return send(response, 403, { success: false, errors, result: null })
    if (request.url.pathname !== '/accounts/account/audit_logs') return send(response, 404, { success: false })
    const size = Math.min(1000, Number(parameter(request, 'per_page')))
    const page = Number(parameter(request, 'page'))
    const found = between(Date.parse(parameter(request, 'since')), Date.parse(parameter(request, 'before')))
    if (parameter(request, 'direction') !== 'asc') found.reverse()
    const result = found.slice((page - 1) * size, page * size).map(({ event }) => event)
    send(response, 200, {
      success: true,
      errors: [],
      messages: [],
      result,
      result_info: { page, per_page: size, count: result.length },
    })
  },
}

/**
 * The body has either a limit (at most 1,000) and times, or a cursor instead of them. Every page
 * has a cursor.
 */
const onepassword: Vendor = {
  name: 'onepassword',
  env: (origin) => ({ ONEPASSWORD_EVENTS_URL: origin, ONEPASSWORD_TOKEN: TOKEN }),
  pages: (size) => ['--set', `source.request.body.limit=${size}`],
  event: (number, time) => ({ uuid: `uuid-${number}`, timestamp: iso(time), action: 'join', object_type: 'gm' }),
  numberOf: ({ uuid }) => Number(String(uuid).slice(5)),
  limited: () => ({ status: 429, headers: {} }),
  respond({ request, response, between }) {
    if (!hasToken(request.headers, 'Bearer')) return send(response, 401, { Error: { Message: 'Unauthorized access' } })
    const { cursor, ...reset }: { cursor?: string; limit?: number; start_time?: string; end_time?: string } =
      JSON.parse(request.body)
    if ((cursor !== undefined && Object.keys(reset).length > 0) || (reset.limit ?? 100) > 1000)
      return send(response, 400, { Error: { Message: 'Bad request' } })
    const state: { limit: number; from: number; to: number; at: number } =
      cursor === undefined
        ? {
            limit: reset.limit ?? 100,
            from: Date.parse(reset.start_time ?? ''),
            to: Date.parse(reset.end_time ?? ''),
            at: 0,
          }
        : JSON.parse(Buffer.from(cursor, 'base64').toString())
    const found = between(state.from, state.to)
    const items = found.slice(state.at, state.at + state.limit).map(({ event }) => event)
    const at = state.at + items.length
    const next = Buffer.from(JSON.stringify({ ...state, at })).toString('base64')
    send(response, 200, { cursor: next, has_more: at < found.length, items })
  },
}

export const vendors: readonly Vendor[] = [okta, github, slack, duo, cloudflare, onepassword]
