import type { RejectFilter } from '../../../src/ui/rejects/api.ts'

/** What the address of the screen says: a filter as it is typed, a place in the list, and the open reject. */
export interface Shown {
  readonly code: string
  readonly stage: string
  readonly text: string
  /** UTC, as an input of type datetime-local has it: `2026-09-12T10:25`. */
  readonly since: string
  readonly until: string
  /** The list has only rejects that are older than this one. */
  readonly after: string
  /** The list has only rejects that are newer than this one. */
  readonly before: string
  /** The reject that is looked at. */
  readonly id: string
}

export const FILTERS = ['code', 'stage', 'text', 'since', 'until'] as const

/** Empty texts where the address says nothing. */
export function shownIn(query: string): Shown {
  const params = new URLSearchParams(query)
  const of = (name: keyof Shown): string => params.get(name) ?? ''
  return {
    code: of('code'),
    stage: of('stage'),
    text: of('text'),
    since: of('since'),
    until: of('until'),
    after: of('after'),
    before: of('before'),
    id: of('id'),
  }
}

export function filterOf({ code, stage, text, since, until }: Shown): RejectFilter {
  const [from, to] = [momentOf(since), momentOf(until)]
  return {
    ...(code !== '' && { code }),
    ...(stage !== '' && { stage }),
    ...(text !== '' && { text }),
    ...(from !== undefined && { since: from }),
    ...(to !== undefined && { until: to }),
  }
}

/** The page of a list, as the API is asked for it. */
export function listParams(shown: Shown): URLSearchParams {
  const filter = Object.entries(filterOf(shown)).map(([name, value]) => [name, String(value)])
  const { after, before } = shown
  const place = Object.entries({ after, before }).filter(([, id]) => id !== '')
  return new URLSearchParams([...filter, ...place])
}

function momentOf(utc: string): number | undefined {
  const at = utc === '' ? Number.NaN : Date.parse(`${utc}Z`)
  return Number.isNaN(at) ? undefined : at
}
