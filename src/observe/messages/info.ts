/** How important a line of the log is, from the least. */
export const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const

export type Level = (typeof levels)[number]

/** A message of the log. */
export interface MessageInfo {
  readonly level: Level
  /** `{name}` stands for the fact of that name. Facts that the text does not name follow it. */
  readonly text: string
  /** When it appears. */
  readonly about: string
  /** What to do; absent if there is nothing to do. */
  readonly action?: string
  /** Each fact, and what it means. A name that ends in `?` may be absent. */
  readonly facts?: { readonly [name: string]: string }
  /** For text that sums up its facts: only JSON has them one by one. */
  readonly isSummary?: boolean
}

/** Facts that several messages have. */
export const ERROR = 'An [error code](errors.md).'
export const REASON = 'What has failed.'
export const STAGE = 'The stage, as in reports.'
export const SINK = 'The sink, as in reports.'
export const KEY = 'Key of the object.'
export const TENANT = 'The tenant, if the source has several.'
export const HINT = 'The way out.'
export const RECORDS = 'Number of records.'
export const BYTES = 'Number of bytes.'
export const SHARD = 'Number of the shard.'
export const WAIT = 'Milliseconds until the next attempt.'
export const TOOK = 'How long it took, in milliseconds.'
