import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { SluiceError } from '../../../errors.ts'
import { invalidResponse } from '../transport/response-error.ts'
import type { PaginateOptions, Place } from '../options.ts'
import { headerText, member, parseJson } from '../transport/json-values.ts'

/** What a complete page says about the next one. */
export interface PageFacts {
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  /** The parameter of the URL that holds the credentials, if one does: no part of a cursor. */
  readonly keyParameter?: string | undefined
  /** JSON text of values in the body, by their dotted keys. */
  readonly captured: ReadonlyMap<string, string>
  /** Records that came. */
  readonly count: number
}

/** The next page, with its cursor as JSON text where pages have one; undefined behind the last page. */
export type NextPage = { readonly cursor?: string } | undefined

/**
 * Decides whether another page follows.
 * @throws SluiceError SOURCE_UNAVAILABLE when the page is not as announced (another try may do), SOURCE_FAILED when going on would lose
 * records or never end.
 */
export function nextPage(paginate: PaginateOptions | undefined, page: PageFacts): NextPage {
  if (paginate === undefined) return undefined
  const { type, stop } = paginate
  const announced = wholeNumber(stop?.shortPage?.count, page)
  if (announced !== undefined && announced !== page.count)
    throw invalidResponse(`the response announced ${announced} records and had ${page.count}`)
  const limit = fullPage(paginate, page)
  if (limit !== undefined && page.count < limit) return undefined
  if (stop?.emptyPage === true && page.count === 0) return undefined
  const more = stop?.more === undefined ? undefined : tellsMore(stop.more, page)
  if (more === false) return undefined
  if (type === 'page' || type === 'offset') return page.count > 0 || moves(type, more) ? {} : undefined
  const cursor = type === 'link' ? linkOf(paginate, page) : cursorOf(paginate, page)
  if (cursor !== undefined) return { cursor }
  if (limit === undefined && more !== true) return undefined
  throw new SluiceError(
    'SOURCE_FAILED',
    `${more === true ? 'a page that is not the last' : `a full page of ${limit} records`} came without a ${nameOf(paginate)}: more may follow, and cannot be asked for`,
  )
}

/** Whether counting goes on behind an empty page. */
function moves(type: 'page' | 'offset', more: boolean | undefined): boolean {
  if (more !== true || type === 'page') return more === true
  throw new SluiceError(
    'SOURCE_FAILED',
    'an empty page that is not the last: the next one would begin at the same offset',
  )
}

function tellsMore(place: Place, page: PageFacts): boolean {
  const text = textAt(place, page)
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalidResponse(`the response does not tell whether there are more pages (${describe(place)})`)
}

/** The number in an answer that counts. @throws SluiceError SOURCE_UNAVAILABLE when it has none. */
export function readCount({ headers, text }: { headers: IncomingHttpHeaders; text: string }, value: Place): number {
  const told =
    value.body === undefined ? headerText(headers[value.header?.toLowerCase() ?? '']) : valueAt(text, value.body)
  if (told !== undefined && /^\d{1,15}$/.test(told)) return Number(told)
  throw invalidResponse(`the answer has no whole number in ${describe(value)}`)
}

function valueAt(text: string, path: string): string | undefined {
  const value = path.split('.').reduce<unknown>((inner, key) => member(inner, key), parseJson(text))
  return typeof value === 'number' ? String(value) : undefined
}

/** Dotted keys of the values of a body that `nextPage` asks for. */
export function pathsOf(paginate: PaginateOptions | undefined): string[] {
  const { count, limit } = paginate?.stop?.shortPage ?? {}
  return [paginate?.from?.body, paginate?.stop?.more?.body, count?.body, limit?.body].flatMap((path) => path ?? [])
}

function fullPage({ stop, size }: PaginateOptions, page: PageFacts): number | undefined {
  if (stop?.shortPage === undefined) return undefined
  const limit = stop.shortPage.limit === undefined ? size : wholeNumber(stop.shortPage.limit, page)
  if (limit !== undefined && limit > 0) return limit
  throw invalidResponse(`the response does not tell the size of a full page (${describe(stop.shortPage.limit)})`)
}

/** Undefined when the place is not asked for, or the response does not have it. */
function wholeNumber(place: Place | undefined, page: PageFacts): number | undefined {
  const text = place && textAt(place, page)
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw invalidResponse(`the response has a ${describe(place)} that is not a whole number`)
}

function textAt({ header, body }: Place, { headers, captured }: PageFacts): string | undefined {
  if (body !== undefined) return captured.get(body)
  return header === undefined ? undefined : headerText(headers[header.toLowerCase()])
}

/** A header is text, unless it is a JSON array or object; a value of the body stays as it is. */
function cursorOf({ from }: PaginateOptions, page: PageFacts): string | undefined {
  const text = from && textAt(from, page)
  if (text === undefined || NO_CURSOR.has(text)) return undefined
  if (from?.body !== undefined) return text
  return /^\s*[[{]/.test(text) && parseJson(text) !== undefined ? text : JSON.stringify(text)
}

const NO_CURSOR: ReadonlySet<string> = new Set(['', '""', 'null', 'false'])

/** The address of the next page, which never leads to another origin: the credentials would go with it. */
function linkOf({ from }: PaginateOptions, page: PageFacts): string | undefined {
  const target = from?.body === undefined ? nextLink(page.headers['link']) : bodyLink(page.captured.get(from.body))
  if (target === undefined) return undefined
  if (!URL.canParse(target, page.url.href)) throw invalidResponse('the link to the next page is not a URL')
  const next = new URL(target, page.url)
  if (page.keyParameter !== undefined && next.searchParams.has(page.keyParameter))
    next.searchParams.delete(page.keyParameter)
  if (next.origin === page.url.origin) return JSON.stringify(next.href)
  throw new SluiceError(
    'SOURCE_FAILED',
    `the link to the next page leads from ${page.url.origin} to ${next.origin}: it is not followed`,
  )
}

function bodyLink(json: string | undefined): string | undefined {
  if (json === undefined || NO_CURSOR.has(json)) return undefined
  if (!json.startsWith('"')) throw invalidResponse('the link to the next page is not text')
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

function describe(place: Place | undefined): string {
  if (place?.body !== undefined) return `value at "${place.body}"`
  return place?.header === undefined ? 'paginate.size' : `header ${place.header}`
}
