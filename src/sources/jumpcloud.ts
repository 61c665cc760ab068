import { Type } from '../fields/typebox.ts'
import { defineSource } from '../component.ts'
import type { Config } from '../component.ts'
import { Choice, Duration, Secret } from '../fields/fields.ts'
import type { AuthOptions } from './http/auth/fields.ts'
import { checkRepairBack, checkTenants, checkUrl } from './http/check.ts'
import { repairBack, sharedFields, since, sweep, windowFields } from './http/fields.ts'
import type { HttpOptions } from './http/options.ts'
import { literal } from './http/transport/template.ts'
import { checkWindow } from './http/windows/check-window.ts'
import { rewindPosition } from './http/windows/checkpoint.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { isObject } from '../record/json/json.ts'

const fields = {
  apiKey: Type.Optional(Secret({ description: 'An API key with the permission directoryinsights.readonly.' })),
  serviceAccount: Type.Optional(
    Type.Object(
      {
        clientId: Type.String({ description: 'Its client id.' }),
        clientSecret: Secret({ description: 'Its client secret.' }),
        tokenUrl: Type.Optional(Type.String({ description: 'Where it gets its tokens. Default: by region.' })),
      },
      { description: 'A service account in place of an API key; needs organizations.' },
    ),
  ),
  organizations: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description:
        'Ids of the organizations to read, with a checkpoint each. Default: the one that the key belongs to.',
    }),
  ),
  region: Choice(['us', 'eu', 'in'], { default: 'us', description: 'Where the organization lives.' }),
  baseUrl: Type.Optional(Type.String({ description: 'Overrides the URL of the region.' })),
  services: Type.Array(Type.String({ minLength: 1 }), {
    minItems: 1,
    default: ['all'],
    description: 'Services to read. "all" may not be all: name services beside it that are missing.',
  }),
  limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000, description: 'Events per page.' }),
  count: Type.Boolean({
    default: true,
    description:
      'Asks for the number of events in each window before it is read. A window with fewer events is read once more; if they are still missing, the log tells.',
  }),
  searchTerm: Type.Optional(
    Type.Unsafe<JsonObject>(
      Type.Object({}, { additionalProperties: true, description: 'A filter as the API has it: and, or, not.' }),
    ),
  ),
  window: Type.Object(
    {
      since: Type.String({ ...since, default: '90d' }),
      step: Duration({ default: '1d', description: 'Longest window.' }),
      ...windowFields,
      sweep: Duration({ ...sweep, default: '2h' }),
      repair: Duration({ ...repairBack, description: `${repairBack.description} 0s means no repair.` }),
      retention: Duration({ default: '90d', description: 'How long the API keeps events; 15d on its lowest tier.' }),
    },
    { default: {}, description: 'Time windows.' },
  ),
  ...sharedFields,
}

export default defineSource({
  type: 'jumpcloud',
  summary: 'Reads the events of JumpCloud Directory Insights.',
  repeats: true,
  fields,
  examples: [
    { title: 'All events of the last 90 days', config: { apiKey: '${env:JUMPCLOUD_API_KEY}' } },
    {
      title: 'Some services of two organizations, with a service account',
      config: {
        serviceAccount: { clientId: '${env:JUMPCLOUD_CLIENT_ID}', clientSecret: '${env:JUMPCLOUD_CLIENT_SECRET}' },
        organizations: ['5f0f6d6a1c9d440000a1b2c3', '5f0f6d6a1c9d440000a1b2c4'],
        region: 'eu',
        services: ['sso', 'directory'],
        window: { since: '7d' },
      },
    },
  ],
  *check({ apiKey, serviceAccount, organizations, baseUrl, window }) {
    if ((apiKey === undefined) === (serviceAccount === undefined))
      yield { at: [], message: 'jumpcloud needs either apiKey or serviceAccount' }
    if (serviceAccount !== undefined && organizations === undefined)
      yield {
        at: ['serviceAccount'],
        message: 'a service account needs organizations',
        hint: 'organizations: [<organization id>]',
      }
    if (baseUrl !== undefined) yield* checkUrl(baseUrl, ['baseUrl'], false)
    if (serviceAccount?.tokenUrl !== undefined)
      yield* checkUrl(serviceAccount.tokenUrl, ['serviceAccount', 'tokenUrl'], false)
    yield* checkWindow(window)
    if (window.repair > 0) yield* checkRepairBack(window.repair, ['window', 'repair'])
    yield* checkTenants(tenantsOf(organizations), 'organizations')
  },
  async create(config) {
    const { createHttpSource } = await import('./http/source.ts')
    return createHttpSource(optionsOf(config))
  },
  rewind: rewindPosition,
})

function optionsOf(config: Config<typeof fields>): HttpOptions {
  const { apiKey, organizations, region, services, limit, searchTerm, window, rate, retry, timeout, poll } = config
  const host = region === 'us' ? '' : `.${region}`
  const baseUrl = config.baseUrl ?? `https://api${host}.jumpcloud.com/insights/directory/v1`
  const request = {
    method: 'POST',
    url: `${literal(baseUrl.replace(/\/+$/, ''))}/events`,
    headers: {
      ...(apiKey === undefined ? {} : { 'x-api-key': literal(apiKey) }),
      ...(organizations === undefined ? {} : { 'x-org-id': '{tenant.organization}' }),
    },
    query: {},
  } as const
  const filter: JsonObject = searchTerm === undefined ? {} : { search_term: asLiteral(searchTerm) }
  const times: JsonObject = { service: services.map(literal), start_time: '{window.start}', end_time: '{window.end}' }
  const hourly: JsonObject = { ...times, ...filter, interval_unit: 'h', interval_value: 1 }
  const perHour = { ...request, url: `${request.url}/interval`, body: hourly }
  return {
    request: { ...request, body: { ...times, limit, sort: 'ASC', ...filter } },
    count: config.count
      ? {
          request: { ...request, url: `${request.url}/count`, body: { ...times, ...filter } },
          value: { body: 'count' },
        }
      : undefined,
    repair: window.repair > 0 ? { request: perHour, ...PER_HOUR, back: window.repair } : undefined,
    auth: authOf(config, `https://admin-oauth.id${host}.jumpcloud.com/oauth2/token`),
    records: '$',
    format: 'json',
    paginate: {
      type: 'cursor',
      from: { header: 'x-search_after' },
      into: { body: 'search_after' },
      start: 1,
      stop: { shortPage: { count: { header: 'x-result-count' }, limit: { header: 'x-limit' } } },
      maxPages: 100_000,
    },
    window,
    tenants: tenantsOf(organizations),
    rate,
    retry,
    timeout,
    poll,
    // A page of 10,000 of the largest events seen (70 KB each) is 700 MB.
    maxBody: 2 ** 30,
    allowInsecure: false,
    explain: (status) => MEANINGS.get(status),
  }
}

/** The answer of `/events/interval`. Its `key` is in milliseconds; `key_as_string` may be of any time zone. */
const PER_HOUR = { buckets: 'buckets', start: 'key', count: 'doc_count' }

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [401, 'the credentials are not accepted; check apiKey or serviceAccount, and region'],
  [402, 'Directory Insights is not licensed for this organisation'],
  [
    403,
    'no access: check that the role has directoryinsights.readonly, that region is right, and that organizations names an organisation of yours',
  ],
  [404, 'check region and baseUrl'],
  [429, 'too many requests; lower rate.perSecond'],
])

function authOf({ serviceAccount }: Config<typeof fields>, tokenUrl: string): AuthOptions | undefined {
  return serviceAccount && { type: 'oauth2ClientCredentials', tokenUrl, scope: 'api', ...serviceAccount }
}

function tenantsOf(organizations: readonly string[] | undefined): HttpOptions['tenants'] {
  if (organizations === undefined) return [{ name: '', values: {} }]
  return organizations.map((organization) => ({ name: organization, values: { organization } }))
}

/** Braces in a user's own text are no placeholders. */
function asLiteral(value: Json): Json {
  if (typeof value === 'string') return literal(value)
  if (Array.isArray(value)) return value.map(asLiteral)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asLiteral(member)]))
}
