import { Type } from '../fields/typebox.ts'
import { defineSource } from '../component.ts'
import type { Config } from '../component.ts'
import { Choice, Duration, RecordsPath, Size } from '../fields/fields.ts'
import { authFields } from './http/auth/fields.ts'
import { checkAuth } from './http/auth/check-auth.ts'
import {
  checkCount,
  checkRecords,
  checkRepair,
  checkRequest,
  checkRetry,
  checkTenants,
  checkTls,
  checkUrl,
} from './http/check.ts'
import {
  countFields,
  paginateFields,
  repairFields,
  sharedFields,
  since,
  sweep,
  tlsFields,
  windowFields,
} from './http/fields.ts'
import type { HttpOptions, RequestOptions, Tenant } from './http/options.ts'
import { checkPaginate } from './http/pages/check-paginate.ts'
import { checkWindow } from './http/windows/check-window.ts'
import { renewedOptions } from './http/renewed-options.ts'
import { describePosition, rewindPosition } from './http/windows/checkpoint.ts'
import type { JsonObject } from '../record/json/json.ts'

const texts = (description: string) => Type.Record(Type.String(), Type.String(), { default: {}, description })

const fields = {
  request: Type.Object(
    {
      method: Choice(['GET', 'POST'], { default: 'GET', description: 'HTTP method.' }),
      url: Type.String({ description: 'URL. Only its origin receives the credentials.' }),
      headers: texts('Headers.'),
      query: texts(
        'URL parameters. Times are UTC, in RFC 3339 or in the format after a colon: {window.start:yyyy-MM-dd}, or any other made of yyyy, MM, dd, HH, mm, ss, SSS; rfc3339Seconds, unix (seconds), unixMs. The start is rounded down and the end up, so {window.end:yyyy-MM-dd} is often the next day.',
      ),
      body: Type.Optional(
        Type.Unsafe<JsonObject>(
          Type.Object({}, { additionalProperties: true, description: 'Request body, sent as JSON.' }),
        ),
      ),
    },
    {
      description:
        'Request for a page. Placeholders: {window.start}, {window.end}, {cursor}, {page}, {offset}, {tenant.NAME}. The first page leaves out parts with {cursor}. {{ is a literal brace, for example in GraphQL: `query {{ events {{ id } }`. Braces in the value of a variable (`${env:NAME}`) need no escape. In the path of the URL a value stays one segment.',
      template: true,
    },
  ),
  auth: Type.Optional(authFields),
  tls: Type.Optional(tlsFields),
  records: RecordsPath({
    default: '$',
    description: 'Path to the array of records in a response, such as `data.events`; `$` is the response itself.',
  }),
  format: Choice(['auto', 'json', 'ndjson'], {
    default: 'auto',
    description: 'Format of a response; `auto` goes by its content type.',
  }),
  paginate: Type.Optional(paginateFields),
  window: Type.Optional(
    Type.Object(
      {
        since: Type.String({ plain: true, ...since }),
        step: Type.Optional(Duration({ description: 'Longest window. Default: unlimited.' })),
        ...windowFields,
        sweep: Type.Optional(Duration(sweep)),
        retention: Type.Optional(
          Duration({
            description: 'How long the API keeps records. No window starts earlier; the log reports the gap.',
          }),
        ),
      },
      { description: 'Time windows. Without them every run reads everything that the API returns.' },
    ),
  ),
  count: Type.Optional(countFields),
  repair: Type.Optional(repairFields),
  tenants: Type.Optional(
    Type.Array(Type.Record(Type.String(), Type.String()), {
      minItems: 1,
      description: 'Values of {tenant.NAME}. Each tenant is read separately, with its own checkpoint.',
    }),
  ),
  ...sharedFields,
  maxBody: Size({ default: '1GiB', description: 'Largest response after decompression.' }),
  allowInsecure: Type.Boolean({ default: false, description: 'Allows http:// to hosts other than this machine.' }),
}

export default defineSource({
  type: 'http',
  summary: 'Reads records from an HTTP API, with pagination, time windows and tenants.',
  repeats: true,
  fields,
  examples: [
    {
      title: 'Cursor in a header, time windows, daily reconciliation, one checkpoint per tenant',
      config: {
        request: {
          method: 'POST',
          url: 'https://api.example.com/v1/events',
          headers: { 'x-api-key': '${env:EXAMPLE_KEY}', 'x-org-id': '{tenant.org}' },
          body: { start_time: '{window.start}', end_time: '{window.end}', limit: 1000 },
        },
        records: '$',
        paginate: {
          type: 'cursor',
          from: { header: 'x-search_after' },
          into: { body: 'search_after' },
          stop: { shortPage: { count: { header: 'x-result-count' }, limit: { header: 'x-limit' } } },
        },
        window: { since: '90d', step: '1h', lag: '5m', overlap: '5m', retention: '90d' },
        rate: { perSecond: 2, concurrency: 1 },
        repair: {
          url: 'https://api.example.com/v1/events/interval',
          method: 'POST',
          body: { start_time: '{window.start}', end_time: '{window.end}', interval: '1h' },
          buckets: 'buckets',
          start: 'key',
          count: 'doc_count',
        },
        retry: { attempts: 8, maxDelay: '1m' },
        tenants: [{ org: 'a' }, { org: 'b' }],
      },
    },
    {
      title: 'Links to the next page, records in an object',
      config: {
        request: {
          url: 'https://api.example.com/logs',
          query: { since: '{window.start:unix}', until: '{window.end:unix}', limit: '200' },
        },
        auth: { type: 'bearer', token: '${env:EXAMPLE_TOKEN}' },
        records: 'data.logs',
        paginate: { type: 'link' },
        window: { since: '7d', step: '1d' },
      },
    },
    {
      title: 'OAuth with a secret in the body, further parameters, and dates without a time',
      config: {
        request: {
          url: 'https://api.example.com/v2/report/activities',
          query: { from: '{window.start:yyyy-MM-dd}', to: '{window.end:yyyy-MM-dd}', page_size: '300' },
        },
        auth: {
          type: 'oauth2ClientCredentials',
          tokenUrl: 'https://idp.example.com/oauth/token',
          clientId: '${env:EXAMPLE_CLIENT_ID}',
          clientSecret: '${env:EXAMPLE_CLIENT_SECRET}',
          clientAuth: 'client_secret_post',
          parameters: { grant_type: 'account_credentials', account_id: '${env:EXAMPLE_ACCOUNT_ID}' },
        },
        records: 'activity_logs',
        paginate: { type: 'cursor', from: { body: 'next_page_token' }, into: { query: 'next_page_token' } },
        window: { since: '30d', step: '1d' },
      },
    },
    {
      title: 'OAuth with a signed assertion, as for a Google service account',
      config: {
        request: {
          url: 'https://admin.googleapis.com/admin/reports/v1/activity/users/all/applications/login',
          query: { startTime: '{window.start}', endTime: '{window.end}', maxResults: '1000' },
        },
        auth: {
          type: 'oauth2JwtBearer',
          tokenUrl: 'https://oauth2.googleapis.com/token',
          issuer: 'collector@project.iam.gserviceaccount.com',
          subject: 'admin@example.com',
          scope: 'https://www.googleapis.com/auth/admin.reports.audit.readonly',
          key: '${env:GOOGLE_PRIVATE_KEY}',
        },
        records: 'items',
        paginate: { type: 'cursor', from: { body: 'nextPageToken' }, into: { query: 'pageToken' } },
        window: { since: '7d', step: '1h' },
      },
    },
  ],
  tenants: (config) => optionsOf(config).tenants.map(({ name }) => name),
  *check(config) {
    const options = optionsOf(config)
    const { request, auth, window, tenants, allowInsecure } = options
    yield* checkUrl(request.url, ['request', 'url'], allowInsecure)
    yield* checkRequest(request, options, ['request'])
    yield* checkRecords(config.records)
    if (options.count !== undefined) yield* checkCount(options.count, options)
    if (options.repair !== undefined) yield* checkRepair(options.repair, options)
    yield* checkAuth(auth, allowInsecure)
    yield* checkTls(config.tls)
    yield* checkRetry(options.retry)
    yield* checkPaginate(options)
    yield* checkWindow(window)
    yield* checkTenants(tenants, 'tenants')
  },
  async create(config, { renewal }) {
    const { createHttpSource } = await import('./http/source.ts')
    const options = optionsOf(config)
    return createHttpSource(options, renewal && renewedOptions(renewal, { config, options, optionsOf }))
  },
  rewind: rewindPosition,
  describePosition,
})

function optionsOf({ tenants = [{}], count, repair, ...config }: Config<typeof fields>): HttpOptions {
  const { headers } = config.request
  return {
    ...config,
    tenants: tenants.map(tenantOf),
    count: count && { value: count.value, request: countRequest(count, headers) },
    repair: repair && { ...repair, request: countRequest(repair, headers) },
  }
}

function countRequest(
  { url, method, query, body }: Omit<RequestOptions, 'headers'>,
  headers: RequestOptions['headers'],
): RequestOptions {
  return { url, method, query, body, headers }
}

/** The values name the source partition, so they must be the same in every run. */
function tenantOf(values: { readonly [name: string]: string }): Tenant {
  return { name: Object.values(values).join('/'), values }
}
