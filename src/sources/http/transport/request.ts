import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../../../record/json/json.ts'
import type { PaginateOptions, RequestOptions } from '../options.ts'
import { plainText, renderJson, renderText } from './template.ts'
import { renderUrl } from './url.ts'
import type { Values } from './template.ts'
import { isObject } from '../../../record/json/json.ts'

/** A complete request, except for the credentials that an `Authorizer` adds. */
export interface PreparedRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Record<string, string>
  readonly body: string | undefined
}

export interface RequestBuilder {
  build(values: Values): PreparedRequest
  /**
   * Equal for two queries if one may use a cursor of the other. Leaves out headers, which hold
   * keys.
   */
  fingerprint(tenant: Values['tenant']): string
}

/** Builds the requests of a source. `paginate.into` adds a placeholder of its own. */
export function createRequestBuilder(request: RequestOptions, paginate: PaginateOptions | undefined): RequestBuilder {
  const firstPage = paginate?.alone === true ? request : withPlaceholder(request, paginate)
  const { method, url, headers } = firstPage
  const followsLinks = paginate?.type === 'link'
  const laterPages = paginate?.alone === true ? cursorAlone(paginate) : {}

  return {
    build(values) {
      const { query, body } = values.cursor === undefined ? firstPage : { ...firstPage, ...laterPages }
      return {
        method,
        url:
          followsLinks && values.cursor !== undefined
            ? new URL(plainText(values.cursor))
            : renderUrl(url, query, values),
        headers: headersOf(headers, body !== undefined, values),
        body: body === undefined ? undefined : writeJson(body, values),
      }
    },
    fingerprint(tenant) {
      const text = JSON.stringify([
        method,
        url,
        firstPage.query,
        firstPage.body ?? null,
        paginate?.type ?? null,
        tenant,
      ])
      return createHash('sha256').update(text).digest('hex').slice(0, 16)
    },
  }
}

function withPlaceholder(request: RequestOptions, paginate: PaginateOptions | undefined): RequestOptions {
  if (paginate?.into === undefined || paginate.type === 'link') return request
  const placeholder = `{${paginate.type}}`
  const { header, query, body } = paginate.into
  return {
    ...request,
    headers: header === undefined ? request.headers : { ...request.headers, [header]: placeholder },
    query: query === undefined ? request.query : { ...request.query, [query]: placeholder },
    body: body === undefined ? request.body : withMember(request.body ?? {}, body.split('.'), placeholder),
  }
}

function cursorAlone({ type, into }: PaginateOptions): Partial<Pick<RequestOptions, 'query' | 'body'>> {
  if (into?.body !== undefined) return { body: withMember({}, into.body.split('.'), `{${type}}`) }
  return into?.query === undefined ? {} : { query: { [into.query]: `{${type}}` } }
}

function withMember(object: JsonObject, [key = '', ...rest]: readonly string[], value: string): JsonObject {
  if (rest.length === 0) return { ...object, [key]: value }
  const inner = object[key]
  return { ...object, [key]: withMember(isObject(inner) ? inner : {}, rest, value) }
}

function headersOf(headers: RequestOptions['headers'], hasBody: boolean, values: Values): Record<string, string> {
  const all: Record<string, string> = { accept: 'application/json', 'accept-encoding': 'gzip, br' }
  if (hasBody) all['content-type'] = 'application/json'
  for (const [name, template] of Object.entries(headers)) {
    const value = renderText(template, values)
    if (value !== undefined) all[name.toLowerCase()] = value
  }
  return all
}

/** JSON text of a template. Leaves out members and elements whose placeholder has no value. */
function writeJson(value: Json, values: Values): string | undefined {
  if (typeof value === 'string') return renderJson(value, values)
  if (Array.isArray(value))
    return `[${value
      .map((item: Json) => writeJson(item, values))
      .filter(isText)
      .join()}]`
  if (!isObject(value)) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, member]) => {
    const text = writeJson(member, values)
    return text === undefined ? undefined : `${JSON.stringify(key)}:${text}`
  })
  return `{${members.filter(isText).join()}}`
}

function isText(value: string | undefined): value is string {
  return value !== undefined
}
