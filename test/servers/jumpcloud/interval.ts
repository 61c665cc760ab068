import { badRequest } from './http-error.ts'
import type { Organization } from './organization.ts'
import type { Query } from './query.ts'
import { selectEvents } from './select.ts'
import type { SelectRules } from './select.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../../src/time.ts'

export interface Bucket {
  readonly key: number
  readonly key_as_string: string
  doc_count: number
}

/**
 * Counts distinct events per interval, aligned to the epoch. Lists empty intervals between the
 * first and the last.
 */
export function countByInterval(organization: Organization, query: Query, rules: SelectRules): Bucket[] {
  const width = intervalOf(query)
  const counts = new Map<number, number>()
  for (const index of selectEvents(organization, query, rules)) {
    const key = Math.floor(organization.events.millis(index) / width) * width
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  if (counts.size === 0) return []
  const first = Math.min(...counts.keys())
  const size = (Math.max(...counts.keys()) - first) / width + 1
  if (size > MAX_BUCKETS) throw badRequest(`the interval gives more than ${MAX_BUCKETS} buckets`)
  return Array.from({ length: size }, (_, at) => {
    const key = first + at * width
    return { key, key_as_string: new Date(key).toISOString(), doc_count: counts.get(key) ?? 0 }
  })
}

/** Default limit of Elasticsearch, which the real API uses. */
const MAX_BUCKETS = 65_535

const UNITS = new Map([
  ['s', SECOND],
  ['m', MINUTE],
  ['h', HOUR],
  ['d', DAY],
  ['w', 7 * DAY],
])

function intervalOf({ body }: Query): number {
  const { interval_unit: name, interval_value: value } = body
  const unit = typeof name === 'string' ? UNITS.get(name) : undefined
  if (unit === undefined) throw badRequest('interval_unit must be one of s, m, h, d, w')
  const times = typeof value === 'string' ? Number(value) : value
  if (typeof times !== 'number' || !Number.isInteger(times) || times < 1)
    throw badRequest('interval_value must be a positive whole number')
  return unit * times
}
