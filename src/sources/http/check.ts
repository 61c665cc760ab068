import { parseRecordsPath } from '../../record/documents/records-path.ts'
import type { Finding } from '../../component.ts'
import { asSluiceError } from '../../errors.ts'
import { suggest } from '../../fields/suggest.ts'
import { formatDuration } from '../../fields/units.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import { DAY, HOUR } from '../../time.ts'
import type { CountOptions, HttpOptions, RepairOptions, RequestOptions, TlsOptions } from './options.ts'
import { isLoopback } from '../../network/tls.ts'
import { placeholderNames, placeholdersOf, strayBraces } from './transport/template.ts'
import { problemOfFormat } from './transport/time-format.ts'
import { renderUrl } from './transport/url.ts'
import type { Placeholder } from './transport/template.ts'

type Keys = Finding['at']

/** Checks a URL that receives credentials. */
export function* checkUrl(text: string, at: Keys, allowInsecure: boolean): Generator<Finding> {
  const plain = text.replaceAll('{{', '%7B').replaceAll(/\{[^{}]*\}/g, 'x')
  if (!URL.canParse(plain)) {
    yield { at, message: `"${text}" is not a URL`, hint: 'include the scheme: https://api.example.com/v1/events' }
    return
  }
  const { protocol, hostname, username, password } = new URL(plain)
  if (username !== '' || password !== '')
    yield { at, message: 'a URL must not contain credentials', hint: 'use auth: { type: basic, ... }' }
  if (protocol === 'https:' || (protocol === 'http:' && (allowInsecure || isLoopback(hostname)))) return
  yield {
    at,
    message: `${protocol}//${hostname} is not https: anyone on the network could read credentials and records`,
    hint: 'use https, or set allowInsecure: true',
  }
}

/** Finds unknown and misplaced placeholders. */
export function* checkRequest(
  request: RequestOptions,
  options: Pick<HttpOptions, 'tenants' | 'window' | 'paginate'>,
  within: Keys,
): Generator<Finding> {
  const names = allowedNames(options)
  for (const [at, text] of textsOfRequest(request, within)) {
    for (const placeholder of placeholdersOf(text)) yield* checkPlaceholder(placeholder, at, names, options)
    yield* checkBraces(text, at, names)
  }
  yield* checkNames(request, within)
  const host = originText(request.url)
  for (const { name } of placeholdersOf(host)) {
    if (!name.startsWith('tenant.'))
      yield {
        at: [...within, 'url'],
        message: `{${name}} is not allowed in the host of a URL`,
        hint: 'only {tenant.*} is: credentials stay with one host',
      }
  }
  yield* checkTenantUrls(request.url, options.tenants, [...within, 'url'])
  if (request.method === 'GET' && request.body !== undefined)
    yield { at: [...within, 'body'], message: 'a GET request has no body', hint: 'use query, or set method: POST' }
}

/** Finds values of tenants that do not fit into the URL. */
function* checkTenantUrls(url: string, tenants: HttpOptions['tenants'], at: Keys): Generator<Finding> {
  const window = { start: 0, end: 1 }
  for (const { name, values } of tenants) {
    if (placeholdersOf(url).length === 0) return
    try {
      renderUrl(url, {}, { window, cursor: '"x"', page: 1, offset: 0, tenant: values })
    } catch (error) {
      const { message } = asSluiceError(error, 'CONFIG_INVALID', 'the URL is not valid')
      yield { at, message: `${name === '' ? '' : `tenant ${name}: `}${message}`, hint: 'correct the URL or tenants' }
    }
  }
}

/** Finds braces that would be sent as they are. */
function* checkBraces(text: string, at: Keys, names: readonly string[]): Generator<Finding> {
  for (const stray of strayBraces(text)) {
    const hint = `${suggest(stray.replaceAll(/[\s{}]/g, ''), names, 'placeholders')}; write {{ for a literal brace`
    yield { at, message: `"${stray}" is not a placeholder`, hint }
  }
  for (const [all, name = ''] of text.matchAll(/\{\{\s*([\w.-]+)[^{}]*\}/g)) {
    if (names.includes(name))
      yield { at, message: `"${all}" is text, not a placeholder, since {{ is a literal brace`, hint: `write {${name}}` }
  }
}

/** Finds placeholders in the names of headers, parameters and members, where they are not replaced. */
function* checkNames({ headers, query, body }: RequestOptions, within: Keys): Generator<Finding> {
  for (const [at, name] of namesOf({ headers, query, ...(body === undefined ? {} : { body }) }, within)) {
    const [placeholder] = placeholdersOf(name)
    if (placeholder !== undefined && isKnown(placeholder.name))
      yield { at, message: `placeholders are replaced in values only, not in the name "${name}"` }
  }
}

function isKnown(name: string): boolean {
  return name.startsWith('tenant.') || placeholderNames.some((known) => known === name)
}

function* namesOf(value: Json | undefined, at: Keys): Generator<[Keys, string]> {
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* namesOf(item, [...at, i])
  if (!isObject(value)) return
  for (const [key, member] of Object.entries(value)) {
    yield [[...at, key], key]
    yield* namesOf(member, [...at, key])
  }
}

type CountContext = Pick<HttpOptions, 'tenants' | 'window' | 'allowInsecure' | 'request'>

/** A page of any size is split as bytes, so its records must be in one array. */
export function* checkRecords(records: string): Iterable<Finding> {
  if (parseRecordsPath(records).keys !== undefined) return
  yield {
    at: ['records'],
    message: `the path ${JSON.stringify(records)} of the records must consist of keys`,
    hint: 'name the keys to one array, for example data.events; the file source reads other paths from saved responses',
  }
}

/**
 * Counts need a time window, and the same origin as the records: they send the same credentials.
 */
function* checkCountRequest(name: string, request: RequestOptions, options: CountContext): Generator<Finding> {
  const { tenants, window, allowInsecure } = options
  if (window === undefined) yield { at: [name], message: `${name} needs time windows`, hint: 'add the key "window"' }
  yield* checkUrl(request.url, [name, 'url'], allowInsecure)
  yield* checkRequest({ ...request, headers: {} }, { tenants, window, paginate: undefined }, [name])
  if (originText(request.url) !== originText(options.request.url))
    yield {
      at: [name, 'url'],
      message: `${name}.url has another origin than request.url`,
      hint: 'the credentials stay with one origin',
    }
}

/** Checks the request for hourly counts and the depth of the reconciliation. */
export function* checkRepair({ request, back }: RepairOptions, options: CountContext): Generator<Finding> {
  yield* checkCountRequest('repair', request, options)
  for (const name of ['window.start', 'window.end']) {
    if (options.window !== undefined && !usesPlaceholder(request, name))
      yield { at: ['repair'], message: `repair does not send {${name}}: the API would count other hours` }
  }
  const { step = HOUR } = options.window ?? {}
  if (step < HOUR)
    yield {
      at: ['window', 'step'],
      message: 'step must be 1h or more: reconciliation (repair) re-reads whole hours',
      hint: 'set a longer step, or remove repair',
    }
  yield* checkRepairBack(back, ['repair', 'back'])
}

/**
 * Reconciliation runs once a day: less than two days would skip hours. More than 14 days make a
 * long response.
 */
export function* checkRepairBack(back: number, at: Keys): Generator<Finding> {
  if (back < 2 * DAY || back > 14 * DAY)
    yield { at, message: `reconciliation (repair) cannot go back ${formatDuration(back)}`, hint: 'use 2d to 14d' }
}

/** Checks the request for the count of a window. */
export function* checkCount({ request, value }: CountOptions, options: CountContext): Generator<Finding> {
  yield* checkCountRequest('count', request, options)
  if (Object.keys(value).length !== 1)
    yield { at: ['count', 'value'], message: 'value needs exactly one location', hint: 'header or body' }
}

/** Finds keys of `retry.statuses` that are not the status of an error. */
export function* checkRetry({ statuses = {} }: HttpOptions['retry']): Generator<Finding> {
  for (const status of Object.keys(statuses)) {
    if (!/^[45]\d\d$/.test(status))
      yield {
        at: ['retry', 'statuses', status],
        message: `"${status}" is not the status of an error`,
        hint: 'write a number from 400 to 599, such as 404: retry',
      }
  }
}

export function* checkTls(tls: TlsOptions | undefined): Generator<Finding> {
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined))
    yield { at: ['tls'], message: 'cert and key need each other', hint: 'set both, or neither' }
}

/** Finds tenants that would share a checkpoint. */
export function* checkTenants(tenants: HttpOptions['tenants'], at: string): Generator<Finding> {
  const names = new Set<string>()
  for (const [i, { name }] of tenants.entries()) {
    if (names.has(name))
      yield { at: [at, i], message: `"${name}" occurs twice`, hint: 'remove one: each tenant has its own checkpoint' }
    names.add(name)
  }
}

function originText(url: string): string {
  return /^[^/]*\/\/[^/?#]*/.exec(url)?.[0] ?? ''
}

function allowedNames({ tenants, window, paginate }: Pick<HttpOptions, 'tenants' | 'window' | 'paginate'>): string[] {
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
  at: Keys,
  names: readonly string[],
  { window, paginate }: Pick<HttpOptions, 'window' | 'paginate'>,
): Generator<Finding> {
  if (!names.includes(name)) {
    const known = placeholderNames.some((candidate) => candidate === name)
    const missing = name.startsWith('window.') ? window === undefined && 'window' : paginate === undefined && 'paginate'
    const hint = known && missing ? `add the key "${missing}"` : suggest(name, names, 'placeholders')
    yield { at, message: `unknown placeholder {${name}}`, hint: `${hint}; write {{ for a literal brace` }
    return
  }
  if (format === undefined) return
  if (!name.startsWith('window.')) yield { at, message: `{${name}} takes no format`, hint: `write {${name}}` }
  else {
    const problem = problemOfFormat(format)
    if (problem !== undefined) yield { at, ...problem }
  }
}

/** True if a text of the request contains the placeholder. */
export function usesPlaceholder(request: RequestOptions, name: string): boolean {
  const texts = [...textsOfRequest(request)].map(([, text]) => text)
  return texts.some((text) => placeholdersOf(text).some((placeholder) => placeholder.name === name))
}

/** All texts that can contain placeholders, with their keys. */
function* textsOfRequest({ url, headers, query, body }: RequestOptions, within: Keys = []): Generator<[Keys, string]> {
  yield* textsOf({ url, headers, query, ...(body === undefined ? {} : { body }) }, within)
}

function* textsOf(value: Json | undefined, at: Keys): Generator<[Keys, string]> {
  if (typeof value === 'string') yield [at, value]
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* textsOf(item, [...at, i])
  if (isObject(value)) for (const [key, member] of Object.entries(value)) yield* textsOf(member, [...at, key])
}
