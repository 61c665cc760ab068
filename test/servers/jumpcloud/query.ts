import { badRequest } from './http-error.ts'
import { isObject } from '../../../src/record/json/json.ts'
import type { Json, JsonObject } from '../../../src/record/json/json.ts'
import { DAY } from '../../../src/time.ts'

/**
 * A checked request body of `/events`, `/events/count` and `/events/interval`. Instants are
 * nanoseconds since the epoch.
 */
export interface Query {
  readonly services: readonly string[]
  readonly start: bigint
  readonly end: bigint | undefined
  readonly limit: number
  readonly sort: 'ASC' | 'DESC'
  readonly fields: readonly string[] | undefined
  readonly searchTerm: SearchTerm | undefined
  /** The cursor: its number as text, since a double cannot hold it, and its opaque part. */
  readonly searchAfter: { readonly number: string; readonly token: string } | undefined
  /** Equal for two queries if they can share cursors. */
  readonly fingerprint: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface SearchTerm {
  readonly and?: unknown
  readonly or?: unknown
  readonly not?: unknown
}

export interface QueryRules {
  readonly now: number
  readonly retentionDays: number
}

/** Parses a request body. Throws the 400 of the API. */
export function parseQuery(text: string, { now, retentionDays }: QueryRules): Query {
  const body = parseObject(text)
  const services = body['service']
  if (!isTextList(services) || services.length === 0) throw badRequest('service must be a list of service names')
  const start = parseInstant(body['start_time'], 'start_time')
  const end = body['end_time'] === undefined ? undefined : parseInstant(body['end_time'], 'end_time')
  if (start > BigInt(now) * NANOS) throw badRequest('start_time is in the future')
  if (start < BigInt(now - retentionDays * DAY) * NANOS)
    throw badRequest(`start_time is older than the data retention of ${retentionDays} days`)
  if (end !== undefined && end <= start) throw badRequest('end_time must be after start_time')
  const fields = body['fields']
  if (fields !== undefined && !isTextList(fields)) throw badRequest('fields must be a list of names')
  const limit = limitOf(body['limit'])
  const sort = body['sort'] === 'DESC' ? 'DESC' : 'ASC'
  const frozen = [services, body['start_time'], body['end_time'], limit, sort, fields, body['search_term']]
  return {
    services,
    start,
    end,
    limit,
    sort,
    fields,
    searchTerm: parseSearchTerm(body['search_term']),
    searchAfter: parseCursor(text, body['search_after']),
    fingerprint: JSON.stringify(frozen.map((value) => value ?? null)),
    body,
  }
}

const NANOS = 1_000_000n
const DEFAULT_LIMIT = 1000
const MAX_LIMIT = 10_000

function parseObject(text: string): JsonObject {
  let value: Json
  try {
    value = JSON.parse(text)
  } catch {
    throw badRequest('the body is not JSON')
  }
  if (!isObject(value)) throw badRequest('the body is not a JSON object')
  return value
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/**
 * A value above the maximum becomes the maximum. Any other invalid value silently becomes the
 * default.
 */
function limitOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) return DEFAULT_LIMIT
  return Math.min(value, MAX_LIMIT)
}

function parseInstant(value: unknown, name: string): bigint {
  const match = typeof value === 'string' ? RFC3339.exec(value) : null
  const millis = match === null ? Number.NaN : Date.parse(`${match[1]}Z`)
  if (match === null || Number.isNaN(millis)) throw badRequest(`${name} must be an RFC 3339 time in UTC`)
  return BigInt(millis) * NANOS + BigInt((match[2] ?? '').padEnd(9, '0'))
}

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/

function parseSearchTerm(value: Json | undefined): SearchTerm | undefined {
  if (value === undefined) return undefined
  const known = isObject(value) && Object.keys(value).every((key) => ['and', 'or', 'not'].includes(key))
  if (!known) throw badRequest('search_term supports and, or and not')
  return value
}

/** Reads the cursor from the text of the body: JSON.parse would round its number. */
function parseCursor(text: string, value: unknown): Query['searchAfter'] {
  if (value === undefined) return undefined
  const match = /"search_after"\s*:\s*\[\s*(\d+)\s*,\s*"([\w.-]+)"\s*\]/.exec(text)
  if (match === null) throw badRequest('search_after is not a cursor')
  return { number: match[1], token: match[2] }
}
