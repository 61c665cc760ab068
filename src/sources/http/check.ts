import type { Finding } from '../../component.ts'
import { suggest } from '../../fields/suggest.ts'
import { formatDuration } from '../../fields/units.ts'
import { SluiceError } from '../../errors.ts'
import type { Json } from '../../record/json/json.ts'
import { isLoopback } from './transport/loopback.ts'
import type {
  AuthOptions,
  CountOptions,
  HttpOptions,
  PaginateOptions,
  RepairOptions,
  RequestOptions,
  TlsOptions,
  WindowOptions,
} from './options.ts'
import { namesIn, signedNames } from './auth/hmac.ts'
import { placeholderNames, placeholdersOf, timeFormats } from './transport/template.ts'
import type { Placeholder } from './transport/template.ts'
import { isAbsolute, parseMoment } from './windows/moment.ts'
import { HOUR, DAY } from '../../time.ts'
import { isObject } from '../../record/json/json.ts'

type At = readonly (string | number)[]

/** What the types of fields cannot say about a URL that credentials are sent to. */
export function* checkUrl(text: string, at: At, allowInsecure: boolean): Generator<Finding> {
  const plain = text.replaceAll(/\{[\w.:-]+\}/g, 'x')
  if (!URL.canParse(plain)) {
    yield { at, message: `"${text}" is not a URL`, hint: 'write it with its scheme: https://api.example.com/v1/events' }
    return
  }
  const { protocol, hostname, username, password } = new URL(plain)
  if (username !== '' || password !== '')
    yield { at, message: 'a URL must not hold credentials', hint: 'use auth: { type: basic, ... }' }
  if (protocol === 'https:' || (protocol === 'http:' && (allowInsecure || isLoopback(hostname)))) return
  yield {
    at,
    message: `${protocol}//${hostname} is not https: credentials and records would be readable on their way`,
    hint: 'use https, or set allowInsecure: true',
  }
}

/** Placeholders that do not exist, or stand where they cannot. */
export function* checkRequest(
  request: RequestOptions,
  options: Pick<HttpOptions, 'tenants' | 'window' | 'paginate'>,
  within: At,
): Generator<Finding> {
  const names = legalNames(options)
  for (const [at, text] of textsOfRequest(request, within)) {
    for (const placeholder of placeholdersOf(text)) yield* checkPlaceholder(placeholder, at, names, options)
  }
  const host = originText(request.url)
  for (const { name } of placeholdersOf(host)) {
    if (!name.startsWith('tenant.'))
      yield {
        at: [...within, 'url'],
        message: `{${name}} cannot stand in the host of a URL`,
        hint: 'only {tenant.*} can: credentials stay with one host',
      }
  }
  if (request.method === 'GET' && request.body !== undefined)
    yield { at: [...within, 'body'], message: 'a GET request has no body', hint: 'use query, or method: POST' }
}

type AskedBeside = Pick<HttpOptions, 'tenants' | 'window' | 'allowInsecure' | 'request'>

/** Asking for numbers belongs to a window, and goes where the credentials may go. */
function* checkAsked(name: string, request: RequestOptions, options: AskedBeside): Generator<Finding> {
  const { tenants, window, allowInsecure } = options
  if (window === undefined)
    yield { at: [name], message: `${name} needs windows to count in`, hint: 'it needs the key "window"' }
  yield* checkUrl(request.url, [name, 'url'], allowInsecure)
  yield* checkRequest({ ...request, headers: {} }, { tenants, window, paginate: undefined }, [name])
  if (originText(request.url) !== originText(options.request.url))
    yield {
      at: [name, 'url'],
      message: `${name}.url has another origin than request.url`,
      hint: 'the credentials stay with one origin',
    }
}

/** Counts per hour, and how far back they are compared. */
export function* checkRepair({ request, back }: RepairOptions, options: AskedBeside): Generator<Finding> {
  yield* checkAsked('repair', request, options)
  for (const name of ['window.start', 'window.end']) {
    if (options.window !== undefined && !mentions(request, name))
      yield { at: ['repair'], message: `nothing sends {${name}}: the counts would be those of other hours` }
  }
  const { step = HOUR } = options.window ?? {}
  if (step < HOUR)
    yield {
      at: ['window', 'step'],
      message: 'a repair reads whole hours: step must be 1h or more',
      hint: 'or no repair',
    }
  yield* checkRepairBack(back, ['repair', 'back'])
}

/** A repair is made once a day: one that goes back no further leaves hours out; and its answer must stay a short one. */
export function* checkRepairBack(back: number, at: At): Generator<Finding> {
  if (back < 2 * DAY || back > 14 * DAY)
    yield { at, message: `a repair cannot go back ${formatDuration(back)}`, hint: 'at least 2d, at most 14d' }
}

/** The number of records in a window. */
export function* checkCount({ request, value }: CountOptions, options: AskedBeside): Generator<Finding> {
  yield* checkAsked('count', request, options)
  if (Object.keys(value).length !== 1)
    yield { at: ['count', 'value'], message: 'value names one place', hint: 'header or body' }
}

function originText(url: string): string {
  return /^[^/]*\/\/[^/?#]*/.exec(url)?.[0] ?? ''
}

/** Durations that contradict each other. */
export function* checkWindow(window: WindowOptions | undefined): Generator<Finding> {
  if (window === undefined) return
  const { since, until, step, lag, overlap, sweep, retention } = window
  const now = Date.now()
  const begin = yield* moment(since, ['window', 'since'], now)
  const end = until === undefined ? undefined : yield* moment(until, ['window', 'until'], now)
  if (begin !== undefined && end !== undefined && end <= begin)
    yield { at: ['window', 'until'], message: 'until is not after since' }
  if (step !== undefined && step === 0) yield { at: ['window', 'step'], message: 'a step of 0 leads nowhere' }
  else if (step !== undefined && overlap >= step)
    yield {
      at: ['window', 'overlap'],
      message: 'overlap must be shorter than step',
      hint: 'else every window reads the one before again',
    }
  if (sweep !== undefined && sweep > 0 && sweep <= overlap)
    yield { at: ['window', 'sweep'], message: 'a sweep must be longer than overlap', hint: '0s means none' }
  if (retention === undefined) return
  if (retention <= lag + overlap)
    yield { at: ['window', 'retention'], message: 'retention must be longer than lag and overlap together' }
  else if (sweep !== undefined && retention <= lag + sweep)
    yield { at: ['window', 'sweep'], message: 'retention must be longer than lag and sweep together' }
  if (begin !== undefined && !isAbsolute(since) && now - begin > retention)
    yield {
      at: ['window', 'since'],
      message: 'since is older than retention',
      hint: 'the API no longer has such records: use at most the retention',
    }
}

/** Members that a kind of credentials needs, or does not know. */
export function* checkAuth(auth: AuthOptions | undefined, allowInsecure: boolean): Generator<Finding> {
  if (auth === undefined) return
  const { needed, optional } = AUTH_MEMBERS[auth.type]
  for (const name of needed) {
    if (auth[name] === undefined) yield { at: ['auth'], message: `auth of type ${auth.type} needs ${name}` }
  }
  for (const name of Object.keys(auth)) {
    if (name !== 'type' && ![...needed, ...optional].some((known) => known === name))
      yield {
        at: ['auth', name],
        message: `auth of type ${auth.type} has no ${name}`,
        hint: `it has ${[...needed, ...optional].join(', ')}`,
      }
  }
  if (auth.type === 'apiKey' && (auth.header === undefined) === (auth.query === undefined))
    yield { at: ['auth'], message: 'an API key goes into one place', hint: 'name header or query' }
  if (auth.type === 'hmac') yield* checkSigning(auth)
  if (auth.tokenUrl !== undefined) yield* checkUrl(auth.tokenUrl, ['auth', 'tokenUrl'], allowInsecure)
}

function* checkSigning({ sign = '', value = '' }: AuthOptions): Generator<Finding> {
  const texts = [
    ['sign', sign, signedNames],
    ['value', value, [...signedNames, 'signature', 'basic']],
  ] as const
  for (const [key, text, names] of texts) {
    for (const name of namesIn(text)) {
      if (!names.some((known) => known === name))
        yield {
          at: ['auth', key],
          message: `{${name}} stands for nothing`,
          hint: suggest(name, names, 'placeholders'),
        }
    }
  }
}

/** A certificate is nothing without its key. */
export function* checkTls(tls: TlsOptions | undefined): Generator<Finding> {
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined))
    yield { at: ['tls'], message: 'cert and key belong together' }
}

/** Rules of a kind of pagination. */
export function* checkPaginate(
  options: Pick<HttpOptions, 'paginate' | 'records' | 'request' | 'format'>,
): Generator<Finding> {
  const { paginate, records, request, format } = options
  if (paginate === undefined) return
  const { type, from, into, stop, size } = paginate
  if (type === 'cursor' && from === undefined)
    yield { at: inPaginate(), message: 'cursor needs from: where the cursor is in a response' }
  if (type === 'link' && into !== undefined)
    yield { at: inPaginate('into'), message: 'a link is followed as it is: it has no into' }
  if ((type === 'page' || type === 'offset') && from !== undefined)
    yield { at: inPaginate('from'), message: `${type} has no from: it is counted` }
  if (type === 'link' && from?.header !== undefined)
    yield {
      at: inPaginate('from', 'header'),
      message: 'a link is in the Link header, or in the body',
      hint: 'leave from out, or use from: { body: ... }',
    }
  if (type !== 'link' && into === undefined && !mentions(request, type))
    yield {
      at: inPaginate(),
      message: `nothing sends the ${type}: every page would be the first one`,
      hint: `set into, or use {${type}} in the request`,
    }
  if (paginate.alone === true && type !== 'cursor')
    yield { at: inPaginate('alone'), message: `alone is for cursor: a ${type} does not stand for the request` }
  else if (paginate.alone === true && into?.query === undefined && into?.body === undefined)
    yield { at: inPaginate('alone'), message: 'alone needs into: the query or the body that the cursor goes into' }
  if (into !== undefined && Object.keys(into).length !== 1)
    yield { at: inPaginate('into'), message: 'into names one place', hint: 'header, query or body' }
  if (into?.body !== undefined && request.method === 'GET')
    yield { at: inPaginate('into', 'body'), message: 'a GET request has no body' }
  for (const [keys, place] of placesOf(paginate)) {
    if (place !== undefined && Object.keys(place).length !== 1)
      yield { at: inPaginate(...keys), message: `${keys.at(-1)} names one place`, hint: 'header or body' }
    if (place?.body !== undefined && (records === '$' || format === 'ndjson'))
      yield {
        at: inPaginate(...keys),
        message: 'the response is a list of records: it has no other values',
        hint: 'use header, or set records to where the list is',
      }
  }
  if (stop?.shortPage !== undefined && stop.shortPage.limit === undefined && size === undefined)
    yield {
      at: inPaginate('stop', 'shortPage'),
      message: 'shortPage needs the size of a full page',
      hint: 'set limit: { header: ... }, or size',
    }
}

function inPaginate(...keys: string[]): At {
  return ['paginate', ...keys]
}

/** Tenants that would share a checkpoint. */
export function* checkTenants(tenants: HttpOptions['tenants'], at: string): Generator<Finding> {
  const names = new Set<string>()
  for (const [i, { name }] of tenants.entries()) {
    if (names.has(name))
      yield { at: [at, i], message: `"${name}" is there twice`, hint: 'each has a checkpoint of its own' }
    names.add(name)
  }
}

const AUTH_MEMBERS = {
  basic: { needed: ['username', 'password'], optional: [] },
  bearer: { needed: ['token'], optional: [] },
  apiKey: { needed: ['key'], optional: ['header', 'query', 'prefix'] },
  oauth2ClientCredentials: { needed: ['tokenUrl', 'clientId', 'clientSecret'], optional: ['scope'] },
  oauth2RefreshToken: {
    needed: ['tokenUrl', 'clientId', 'refreshToken', 'tokenFile'],
    optional: ['clientSecret', 'scope'],
  },
  hmac: {
    needed: ['key', 'sign'],
    optional: ['username', 'algorithm', 'encoding', 'value', 'header', 'date'],
  },
} as const

function placesOf({ from, stop }: PaginateOptions) {
  return [
    [['from'], from],
    [['stop', 'more'], stop?.more],
    [['stop', 'shortPage', 'count'], stop?.shortPage?.count],
    [['stop', 'shortPage', 'limit'], stop?.shortPage?.limit],
  ] as const
}

function legalNames({ tenants, window, paginate }: Pick<HttpOptions, 'tenants' | 'window' | 'paginate'>): string[] {
  const counted = { page: 'page', offset: 'offset', cursor: 'cursor', link: undefined }
  const known = placeholderNames.filter((name) => {
    return name.startsWith('window.') ? window !== undefined : paginate !== undefined && counted[paginate.type] === name
  })
  const [first] = tenants
  const common = Object.keys(first?.values ?? {}).filter((key) => tenants.every(({ values }) => key in values))
  return [...known, ...common.map((key) => `tenant.${key}`)]
}

function* checkPlaceholder(
  { name, format }: Placeholder,
  at: At,
  names: readonly string[],
  { window, paginate }: Pick<HttpOptions, 'window' | 'paginate'>,
): Generator<Finding> {
  if (!names.includes(name)) {
    const known = placeholderNames.some((one) => one === name)
    const missing = name.startsWith('window.') ? window === undefined && 'window' : paginate === undefined && 'paginate'
    const hint = known && missing ? `it needs the key "${missing}"` : suggest(name, names, 'placeholders')
    yield { at, message: `{${name}} stands for nothing`, hint: `${hint}; a brace itself is written {{` }
    return
  }
  if (format === undefined) return
  if (!name.startsWith('window.')) yield { at, message: `{${name}} has no formats`, hint: `write {${name}}` }
  else if (!timeFormats.some((one) => one === format))
    yield { at, message: `"${format}" is no format of a time`, hint: suggest(format, timeFormats, 'formats') }
}

function* moment(text: string, at: At, now: number): Generator<Finding, number | undefined> {
  try {
    return parseMoment(text, now)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    yield { at, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
    return undefined
  }
}

function mentions(request: RequestOptions, name: string): boolean {
  const texts = [...textsOfRequest(request)].map(([, text]) => text)
  return texts.some((text) => placeholdersOf(text).some((placeholder) => placeholder.name === name))
}

/** All texts that can hold placeholders, and where they are. */
function* textsOfRequest({ url, headers, query, body }: RequestOptions, within: At = []): Generator<[At, string]> {
  yield* textsOf({ url, headers, query, ...(body === undefined ? {} : { body }) }, within)
}

function* textsOf(value: Json | undefined, at: At): Generator<[At, string]> {
  if (typeof value === 'string') yield [at, value]
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* textsOf(item, [...at, i])
  if (isObject(value)) for (const [key, member] of Object.entries(value)) yield* textsOf(member, [...at, key])
}
