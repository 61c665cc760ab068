import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { SluiceError } from '../../../errors.ts'
import { invalidResponse } from '../transport/response-error.ts'
import type { PaginateOptions, ResponseLocation } from '../options.ts'
import { headerText, member, parseJson } from '../transport/json-values.ts'

/** The parts of a complete page that decide about the next one. */
export interface PageSummary {
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  /** URL parameter with the API key, if any. It must not become part of a cursor. */
  readonly keyParameter?: string | undefined
  /** JSON text of values in the body, by dotted keys. */
  readonly captured: ReadonlyMap<string, string>
  /** Number of records on the page. */
  readonly count: number
}

/**
 * The next page, with its cursor as JSON text if pages have cursors; undefined after the last page.
 */
export type NextPage = { readonly cursor?: string } | undefined

/**
 * Decides whether another page follows.
 * @throws SluiceError SOURCE_UNAVAILABLE if the page contradicts itself (a retry may help),
 * SOURCE_FAILED if continuing would lose records or never end.
 */
export function nextPage(paginate: PaginateOptions | undefined, page: PageSummary): NextPage {
  if (paginate === undefined) return undefined
  const { type, stop } = paginate
  const announced = wholeNumber(stop?.shortPage?.count, page)
  if (announced !== undefined && announced !== page.count)
    throw invalidResponse(`the response announced ${announced} records and had ${page.count}`)
  const limit = fullPage(paginate, page)
  if (limit !== undefined && page.count < limit) return undefined
  if (stop?.emptyPage === true && page.count === 0) return undefined
  const more = stop?.more === undefined ? undefined : hasMore(stop.more, page)
  if (more === false) return undefined
  if (type === 'page' || type === 'offset') return page.count > 0 || continuesAfterEmpty(type, more) ? {} : undefined
  const cursor = type === 'link' ? linkOf(paginate, page) : cursorOf(paginate, page)
  if (cursor !== undefined) return { cursor }
  if (limit === undefined && more !== true) return undefined
  throw new SluiceError(
    'SOURCE_FAILED',
    `${more === true ? 'a page that is not the last' : `a full page of ${limit} records`} has no ${nameOf(paginate)}: more records may follow, and cannot be requested`,
  )
}

/** True if another page follows an empty one. */
function continuesAfterEmpty(type: 'page' | 'offset', more: boolean | undefined): boolean {
  if (more !== true || type === 'page') return more === true
  throw new SluiceError('SOURCE_FAILED', 'an empty page that is not the last: the next page would have the same offset')
}

function hasMore(location: ResponseLocation, page: PageSummary): boolean {
  const text = textAt(location, page)
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalidResponse(`the response does not say whether more pages follow (${describe(location)})`)
}

/** The number in a response to a count. @throws SluiceError SOURCE_UNAVAILABLE if it has none. */
export function readCount(
  { headers, text }: { headers: IncomingHttpHeaders; text: string },
  value: ResponseLocation,
): number {
  const found =
    value.body === undefined ? headerText(headers[value.header?.toLowerCase() ?? '']) : valueAt(text, value.body)
  if (found !== undefined && /^\d{1,15}$/.test(found)) return Number(found)
  throw invalidResponse(`the response has no whole number in ${describe(value)}`)
}

function valueAt(text: string, path: string): string | undefined {
  const value = path.split('.').reduce<unknown>((inner, key) => member(inner, key), parseJson(text))
  return typeof value === 'number' ? String(value) : undefined
}

/** Dotted keys of the body values that `nextPage` needs. */
export function pathsOf(paginate: PaginateOptions | undefined): string[] {
  const { count, limit } = paginate?.stop?.shortPage ?? {}
  return [paginate?.from?.body, paginate?.stop?.more?.body, count?.body, limit?.body].flatMap((path) => path ?? [])
}

function fullPage({ stop, size }: PaginateOptions, page: PageSummary): number | undefined {
  if (stop?.shortPage === undefined) return undefined
  const limit = stop.shortPage.limit === undefined ? size : wholeNumber(stop.shortPage.limit, page)
  if (limit !== undefined && limit > 0) return limit
  throw invalidResponse(`the response does not say the size of a full page (${describe(stop.shortPage.limit)})`)
}

/** Undefined if the location is not configured, or the response does not have it. */
function wholeNumber(location: ResponseLocation | undefined, page: PageSummary): number | undefined {
  const text = location && textAt(location, page)
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw invalidResponse(`the response has a ${describe(location)} that is not a whole number`)
}

function textAt({ header, body }: ResponseLocation, { headers, captured }: PageSummary): string | undefined {
  if (body !== undefined) return captured.get(body)
  return header === undefined ? undefined : headerText(headers[header.toLowerCase()])
}

/** A header is text, unless it is a JSON array or object. A value in the body is already JSON. */
function cursorOf({ from }: PaginateOptions, page: PageSummary): string | undefined {
  const text = from && textAt(from, page)
  if (text === undefined || NO_CURSOR.has(text)) return undefined
  if (from?.body !== undefined) return text
  return /^\s*[[{]/.test(text) && parseJson(text) !== undefined ? text : JSON.stringify(text)
}

const NO_CURSOR: ReadonlySet<string> = new Set(['', '""', 'null', 'false'])

/** The URL of the next page. Never on another origin, which would receive the credentials. */
function linkOf({ from }: PaginateOptions, page: PageSummary): string | undefined {
  const target = from?.body === undefined ? nextLink(page.headers['link']) : bodyLink(page.captured.get(from.body))
  if (target === undefined) return undefined
  if (!URL.canParse(target, page.url.href)) throw invalidResponse('the link to the next page is not a URL')
  const next = new URL(target, page.url)
  if (page.keyParameter !== undefined && next.searchParams.has(page.keyParameter))
    next.searchParams.delete(page.keyParameter)
  // Not sent: pages whose links differ in it alone would be the same page without end.
  next.hash = ''
  if (next.origin === page.url.origin) return JSON.stringify(next.href)
  throw new SluiceError(
    'SOURCE_FAILED',
    `the link to the next page leads from ${page.url.origin} to ${next.origin}: it is not followed`,
  )
}

function bodyLink(json: string | undefined): string | undefined {
  if (json === undefined || NO_CURSOR.has(json)) return undefined
  if (!json.startsWith('"')) throw invalidResponse('the link to the next page is not a string')
  return String(JSON.parse(json))
}

/** The target with `rel=next` of a Link header (RFC 8288). */
function nextLink(header: string | string[] | undefined): string | undefined {
  const text = [header ?? []].flat().join(', ')
  for (const [, target, parameters = ''] of text.matchAll(
    /<([^>]*)>((?:\s*;\s*[\w*-]+\s*(?:=\s*(?:"[^"]*"|[^\s";,]*))?)*)/g,
  )) {
    const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s";,]*))/i.exec(parameters)
    if ((rel?.[1] ?? rel?.[2] ?? '').toLowerCase().split(/\s+/).includes('next')) return target
  }
  return undefined
}

function nameOf({ type, from }: PaginateOptions): string {
  return type === 'link' ? 'link to the next one' : `cursor (${describe(from)})`
}

function describe(location: ResponseLocation | undefined): string {
  if (location?.body !== undefined) return `value at "${location.body}"`
  return location?.header === undefined ? 'paginate.size' : `header ${location.header}`
}
