import { Type } from '../fields/typebox.ts'
import { defineSource } from '../component.ts'
import type { Config, Finding } from '../component.ts'
import { Choice, Duration, Secret } from '../fields/fields.ts'
import { closest, suggest } from '../fields/suggest.ts'
import type { AuthOptions } from './http/auth/fields.ts'
import { checkRepairBack, checkRetry, checkTenants, checkUrl } from './http/check.ts'
import { repairBack, sharedFields, since, sweep, windowFields } from './http/fields.ts'
import type { HttpOptions } from './http/options.ts'
import { renewedOptions } from './http/renewed-options.ts'
import { literal } from './http/transport/template.ts'
import { checkWindow } from './http/windows/check-window.ts'
import { describePosition, rewindPosition } from './http/windows/checkpoint.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { isObject } from '../record/json/json.ts'

const REGIONS = ['us', 'eu', 'in'] as const
type Region = (typeof REGIONS)[number]

/** The services of the API reference, November 2026, and `all`. */
const SERVICES = [
  'all',
  'access_management',
  'alerts',
  'asset_management',
  'directory',
  'ldap',
  'mdm',
  'notifications',
  'object_storage',
  'password_manager',
  'radius',
  'reports',
  'saas_app_management',
  'software',
  'sso',
  'systems',
  'workflows',
]

const fields = {
  apiKey: Type.Optional(Secret({ description: 'API key with the permission directoryinsights.readonly.' })),
  serviceAccount: Type.Optional(
    Type.Object(
      {
        clientId: Type.String({ plain: true, description: 'Client id of the service account.' }),
        clientSecret: Secret({ description: 'Client secret of the service account.' }),
        tokenUrl: Type.Optional(
          Type.String({ plain: true, description: 'Token endpoint. Default: that of the region.' }),
        ),
      },
      { description: 'Service account, instead of an API key. Needs `organizations`.' },
    ),
  ),
  organizations: Type.Optional(
    Type.Array(Type.String({ plain: true, minLength: 1 }), {
      minItems: 1,
      description:
        'Ids of the organizations to read, each with its own checkpoint. Default: the organization of the key.',
    }),
  ),
  region: Choice(REGIONS, { default: 'us', description: 'Region of the organization.' }),
  baseUrl: Type.Optional(
    Type.String({ plain: true, description: 'Replaces the URL of the region. Empty: the URL of the region.' }),
  ),
  services: Type.Array(Type.String({ plain: true, minLength: 1 }), {
    minItems: 1,
    default: ['all'],
    description: 'Services to read. `all` can be incomplete: list missing services next to it.',
  }),
  limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000, description: 'Events per page.' }),
  count: Type.Boolean({
    default: true,
    description:
      'Requests the number of events in each window. A window with fewer events is read once more; then the log reports it.',
  }),
  searchTerm: Type.Optional(
    Type.Unsafe<JsonObject>(
      Type.Object({}, { additionalProperties: true, description: 'Filter in the syntax of the API: and, or, not.' }),
    ),
  ),
  window: Type.Object(
    {
      since: Type.String({ plain: true, ...since, default: '90d' }),
      step: Duration({ default: '1d', description: 'Longest window.' }),
      ...windowFields,
      sweep: Duration({ ...sweep, default: '2h' }),
      repair: Duration({ ...repairBack, description: `${repairBack.description} 0s turns it off.` }),
      retention: Duration({ default: '90d', description: 'How long the API keeps events; 15d on the lowest tier.' }),
    },
    { default: {}, description: 'Time windows.' },
  ),
  ...sharedFields,
}

export default defineSource({
  type: 'jumpcloud',
  summary: 'Reads events from JumpCloud Directory Insights.',
  repeats: true,
  fields,
  examples: [
    { title: 'All events of the last 90 days', config: { apiKey: '${env:JUMPCLOUD_API_KEY}' } },
    {
      title: 'Selected services of two organizations, with a service account',
      config: {
        serviceAccount: { clientId: '${env:JUMPCLOUD_CLIENT_ID}', clientSecret: '${env:JUMPCLOUD_CLIENT_SECRET}' },
        organizations: ['5f0f6d6a1c9d440000a1b2c3', '5f0f6d6a1c9d440000a1b2c4'],
        region: 'eu',
        services: ['sso', 'directory'],
        window: { since: '7d' },
      },
    },
  ],
  tenants: ({ organizations }) => tenantsOf(organizations).map(({ name }) => name),
  *check({ apiKey, serviceAccount, organizations, region, baseUrl, services, window, retry }) {
    if ((apiKey === undefined) === (serviceAccount === undefined))
      yield { at: [], message: 'jumpcloud needs either apiKey or serviceAccount' }
    if (serviceAccount !== undefined && organizations === undefined)
      yield {
        at: ['serviceAccount'],
        message: 'a service account needs organizations',
        hint: 'organizations: [<organization id>]',
      }
    if (baseUrl !== undefined && baseUrl !== '') {
      yield* checkUrl(baseUrl, ['baseUrl'], false)
      yield* checkRegion(region, baseUrl)
    }
    yield* checkServices(services)
    if (serviceAccount?.tokenUrl !== undefined)
      yield* checkUrl(serviceAccount.tokenUrl, ['serviceAccount', 'tokenUrl'], false)
    yield* checkWindow(window)
    yield* checkRetry(retry)
    if (window.repair > 0) yield* checkRepairBack(window.repair, ['window', 'repair'])
    yield* checkTenants(tenantsOf(organizations), 'organizations')
  },
  async create(config, { renewal }) {
    const { createHttpSource } = await import('./http/source.ts')
    const options = optionsOf(config)
    return createHttpSource(options, renewal && renewedOptions(renewal, { config, options, optionsOf }))
  },
  rewind: rewindPosition,
  describePosition,
})

/** `baseUrl` wins over `region`, which then only chooses the token endpoint. */
function* checkRegion(region: Region, baseUrl: string): Generator<Finding> {
  const host = URL.canParse(baseUrl) ? new URL(baseUrl).hostname : ''
  const other = REGIONS.find((candidate) => host === apiHost(candidate) && candidate !== region)
  const message =
    other === undefined
      ? `region ${region} has no effect on the events that are read: baseUrl replaces its URL`
      : `region is ${region}, but baseUrl is that of region ${other}: events are read from ${other}`
  if (other !== undefined || (region !== 'us' && host !== apiHost(region)))
    yield { at: ['region'], message, hint: 'remove baseUrl', severity: 'warning' }
}

/** Services are added about twice a year, so an unknown name is not an error. */
function* checkServices(services: readonly string[]): Generator<Finding> {
  for (const [index, service] of services.entries()) {
    if (SERVICES.includes(service)) continue
    const message = `"${service}" is not a service that this version of Sluice knows`
    const near = closest(service, SERVICES) !== undefined
    yield {
      at: ['services', index],
      message,
      hint: suggest(service, SERVICES, 'known services'),
      severity: near ? 'warning' : 'note',
    }
  }
}

function optionsOf(config: Config<typeof fields>): HttpOptions {
  const { apiKey, organizations, region, services, limit, searchTerm, window, rate, retry, timeout, poll } = config
  const baseUrl = config.baseUrl || `https://${apiHost(region)}/insights/directory/v1`
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
  const range: JsonObject = { service: services.map(literal), start_time: '{window.start}', end_time: '{window.end}' }
  const hourly: JsonObject = { ...range, ...filter, interval_unit: 'h', interval_value: 1 }
  const intervalRequest = { ...request, url: `${request.url}/interval`, body: hourly }
  return {
    request: { ...request, body: { ...range, limit, sort: 'ASC', ...filter } },
    count: config.count
      ? {
          request: { ...request, url: `${request.url}/count`, body: { ...range, ...filter } },
          value: { body: 'count' },
        }
      : undefined,
    repair: window.repair > 0 ? { request: intervalRequest, ...INTERVAL_RESPONSE, back: window.repair } : undefined,
    auth: authOf(config, `https://admin-oauth.id${infixOf(region)}.jumpcloud.com/oauth2/token`),
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
    // 10,000 of the largest events seen so far (70 KB) make a page of 700 MB.
    maxBody: 2 ** 30,
    allowInsecure: false,
    explain: (status) => MEANINGS.get(status),
  }
}

function apiHost(region: Region): string {
  return `api${infixOf(region)}.jumpcloud.com`
}

function infixOf(region: Region): string {
  return region === 'us' ? '' : `.${region}`
}

/**
 * The response of `/events/interval`. `key` is in milliseconds; `key_as_string` can have any time
 * zone.
 */
const INTERVAL_RESPONSE = { buckets: 'buckets', start: 'key', count: 'doc_count' }

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [401, 'the API rejects the credentials; check apiKey or serviceAccount, and region'],
  [402, 'Directory Insights is not licensed for this organization'],
  [403, 'no access; check the permission directoryinsights.readonly, region and organizations'],
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

/** Escapes braces in user text, which are not placeholders. */
function asLiteral(value: Json): Json {
  if (typeof value === 'string') return literal(value)
  if (Array.isArray(value)) return value.map(asLiteral)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asLiteral(member)]))
}
