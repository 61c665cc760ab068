import type { RejectFilter } from '../../../src/ui/rejects/api.ts'

/** What the address of the screen says: a filter as it is typed, a place in the list, and the open reject. */
export interface Shown {
  readonly code: string
  readonly stage: string
  readonly text: string
  /** UTC, as an input of type datetime-local has it: `2026-09-12T10:25`. */
  readonly since: string
  readonly until: string
  /** The list continues after this reject. */
  readonly after: string
  /** The reject that is looked at. */
  readonly id: string
}

export const FILTERS = ['code', 'stage', 'text', 'since', 'until'] as const

const ALL = [...FILTERS, 'after', 'id'] as const

/** Empty texts where the address says nothing. */
export function shownIn(query: string): Shown {
  const params = new URLSearchParams(query)
  const of = (name: (typeof ALL)[number]): string => params.get(name) ?? ''
  return {
    code: of('code'),
    stage: of('stage'),
    text: of('text'),
    since: of('since'),
    until: of('until'),
    after: of('after'),
    id: of('id'),
  }
}

export function paramsOf(shown: Shown): URLSearchParams {
  return new URLSearchParams(ALL.flatMap((name) => (shown[name] === '' ? [] : [[name, shown[name]]])))
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
  return new URLSearchParams([...filter, ...(shown.after === '' ? [] : [['after', shown.after]])])
}

function momentOf(utc: string): number | undefined {
  const at = utc === '' ? Number.NaN : Date.parse(`${utc}Z`)
  return Number.isNaN(at) ? undefined : at
}
