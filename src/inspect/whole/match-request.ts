import type { PipelineTest } from '../../config/pipeline.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'

export type Page = NonNullable<PipelineTest['pages']>[number]

/** A request as the page server gets it. */
export interface SeenRequest {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: { readonly [name: string]: string }
  /** JSON, or the members of a form. Undefined without a body. */
  readonly body: Json | undefined
}

/** A part of a request that differs from what a page asks for. */
export interface Difference {
  /** `query.after`, `body.filter.service[0]`. */
  readonly part: string
  readonly expected: Json
  readonly actual: Json | undefined
}

/** Where a request differs from what a page asks for; empty if it fits. */
export function differencesOf({ request: wanted }: Page, request: SeenRequest): Difference[] {
  const found: Difference[] = []
  const compare = (part: string, expected: Json | undefined, actual: Json | undefined): void => {
    if (expected !== undefined && !isSame(expected, actual)) found.push({ part, expected, actual })
  }
  compare('method', wanted.method?.toUpperCase(), request.method)
  compare('host', wanted.host, request.host)
  compare('path', wanted.path, request.path)
  for (const [name, value] of Object.entries(wanted.query ?? {}))
    compare(`query.${name}`, value, request.query.getAll(name).join(',') || (request.query.get(name) ?? undefined))
  for (const [name, value] of Object.entries(wanted.headers ?? {}))
    compare(`headers.${name}`, value, request.headers[name.toLowerCase()])
  if (wanted.body !== undefined) compareBody('body', wanted.body, request.body, found)
  return found
}

function compareBody(part: string, expected: Json, actual: Json | undefined, found: Difference[]): void {
  if (isObject(expected) && isObject(actual)) {
    for (const [key, value] of Object.entries(expected)) compareBody(`${part}.${key}`, value, actual[key], found)
    return
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    for (const [i, value] of expected.entries()) compareBody(`${part}[${i}]`, value, actual[i], found)
    return
  }
  if (!isSame(expected, actual)) found.push({ part, expected, actual })
}

function isSame(expected: Json, actual: Json | undefined): boolean {
  return JSON.stringify(expected) === JSON.stringify(actual)
}

/** A request in one line: `GET api.example.com/logs?limit=10`. */
export function describeRequest({ method, host, path, query, body }: SeenRequest): string {
  const search = query.size === 0 ? '' : `?${decodeURIComponent(String(query).replaceAll('+', ' '))}`
  return `${method} ${host}${path}${search}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`
}

/** The body of a request as JSON. */
export function parseBody(text: string, contentType = ''): Json | undefined {
  if (text === '') return undefined
  if (contentType.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text))
  try {
    const value: Json = JSON.parse(text)
    return value
  } catch {
    return text
  }
}
