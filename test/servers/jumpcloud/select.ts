import { badRequest } from './http-error.ts'
import type { Organization } from './organization.ts'
import type { Query, SearchTerm } from './query.ts'

/** A position in a listing: the last listed event, and how often it was listed in a row. */
export interface Position {
  readonly index: number
  readonly copies: number
}

export interface SelectRules {
  readonly now: number
  readonly endInclusive: boolean
  /** Services that `all` does not include. */
  readonly missingFromAll: readonly string[]
}

/** The distinct events that match a query, in its order. */
export function* selectEvents(organization: Organization, query: Query, rules: SelectRules): Generator<number> {
  const range = rangeOf(organization, query, rules)
  yield* walk(organization, query, rules, range, startOf(range, query))
}

/**
 * One page: the events after a position, with repeats, up to the limit of the query; and its end.
 */
export function selectPage(
  organization: Organization,
  query: Query,
  rules: SelectRules & { readonly repeatAtPageBorders: boolean },
  after: Position | undefined,
): { indices: number[]; end: Position | undefined } {
  const range = rangeOf(organization, query, rules)
  const indices: number[] = []
  let end = after
  const list = (index: number): void => {
    end = { index, copies: end?.index === index ? end.copies + 1 : 1 }
    indices.push(index)
  }
  if (after !== undefined) {
    const isRepeatDue = organization.isRepeated(after.index) && after.copies === 1
    if (isRepeatDue || (rules.repeatAtPageBorders && query.limit > 1)) list(after.index)
  }
  const from = after === undefined ? startOf(range, query) : after.index + stepOf(query)
  const found = walk(organization, query, rules, range, from)
  while (indices.length < query.limit) {
    const next = found.next()
    if (next.done) break
    list(next.value)
    if (indices.length < query.limit && organization.isRepeated(next.value)) list(next.value)
  }
  return { indices, end }
}

/** The members of an event that `fields` names (with dotted paths), as JSON text. */
export function projectEvent(text: string, fields: readonly string[]): string {
  const event: unknown = JSON.parse(text)
  const members = fields.map((field) => [field, valueAt(event, field)]).filter(([, value]) => value !== undefined)
  return JSON.stringify(Object.fromEntries(members))
}

interface IndexRange {
  readonly first: number
  readonly last: number
}

function rangeOf(organization: Organization, query: Query, { endInclusive }: SelectRules): IndexRange {
  const { events } = organization
  const beyond = query.end === undefined ? events.count : events.firstAt(endInclusive ? query.end + 1n : query.end)
  return { first: events.firstAt(query.start), last: beyond - 1 }
}

function startOf({ first, last }: IndexRange, { sort }: Query): number {
  return sort === 'ASC' ? first : last
}

function stepOf({ sort }: Query): number {
  return sort === 'ASC' ? 1 : -1
}

function* walk(
  organization: Organization,
  query: Query,
  rules: SelectRules,
  { first, last }: IndexRange,
  from: number,
): Generator<number> {
  const { events } = organization
  const wants = serviceFilter(query.services, rules.missingFromAll)
  const step = stepOf(query)
  for (let index = from; index >= first && index <= last; index += step) {
    if (!organization.isVisible(index, rules.now)) continue
    if (wants !== undefined && !wants(events.service(index))) continue
    if (query.searchTerm !== undefined && !meets(JSON.parse(events.text(index)), query.searchTerm)) continue
    yield index
  }
}

/** Undefined if every service matches. Unknown names match nothing. */
function serviceFilter(
  services: readonly string[],
  missingFromAll: readonly string[],
): ((service: string) => boolean) | undefined {
  const all = services.includes('all')
  if (all && missingFromAll.length === 0) return undefined
  return (service) => services.includes(service) || (all && !missingFromAll.includes(service))
}

function meets(event: unknown, term: SearchTerm): boolean {
  return (
    (term.and === undefined || conditions(term.and).every((condition) => holds(event, condition))) &&
    (term.or === undefined || conditions(term.or).some((condition) => holds(event, condition))) &&
    (term.not === undefined || !conditions(term.not).some((condition) => holds(event, condition)))
  )
}

function conditions(value: unknown): [string, unknown][] {
  const items: unknown[] = Array.isArray(value) ? value : [value]
  return items.flatMap((item) => {
    if (typeof item !== 'object' || item === null)
      throw badRequest('search_term contains a condition that is not an object')
    return Object.entries(item)
  })
}

function holds(event: unknown, [path, expected]: [string, unknown]): boolean {
  const value = valueAt(event, path)
  return Array.isArray(expected) ? expected.includes(value) : value === expected
}

function valueAt(event: unknown, path: string): unknown {
  let value = event
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Object.getOwnPropertyDescriptor(value, key)?.value
  }
  return value
}
