import type { JsonObject } from '../../record/json/json.ts'
import type { AuthOptions } from './auth/fields.ts'

/** What `createHttpSource` needs: the checked configuration of `http`, or what a preset makes of its own. Times are milliseconds. */
export interface HttpOptions {
  readonly request: RequestOptions
  readonly auth?: AuthOptions | undefined
  readonly tls?: TlsOptions | undefined
  /** Dotted keys to the array of records in a response; `$` is the response itself. */
  readonly records: string
  /** `auto`: by the content type. */
  readonly format: 'auto' | 'json' | 'ndjson'
  readonly paginate?: PaginateOptions | undefined
  readonly window?: WindowOptions | undefined
  readonly count?: CountOptions | undefined
  readonly repair?: RepairOptions | undefined
  readonly tenants: readonly Tenant[]
  readonly rate: { readonly perSecond: number; readonly concurrency: number }
  readonly retry: { readonly attempts: number; readonly maxDelay: number }
  readonly timeout: TimeoutOptions
  readonly poll: number
  /** Largest response in bytes, inflated. */
  readonly maxBody: number
  readonly allowInsecure: boolean
  /** What a status means with this API and what to do about it. */
  explain?(status: number): string | undefined
}

/** Strings hold placeholders, see `template.ts`. */
export interface RequestOptions {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly query: { readonly [name: string]: string }
  readonly body?: JsonObject | undefined
}

/** Files in PEM. */
export interface TlsOptions {
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly ca?: string
}

/** A place in a response. */
export interface Place {
  readonly header?: string
  /** Dotted keys. */
  readonly body?: string
}

export interface PaginateOptions {
  readonly type: 'cursor' | 'link' | 'page' | 'offset'
  readonly from?: Place
  readonly into?: { readonly header?: string; readonly query?: string; readonly body?: string }
  /** Later pages are asked for with the cursor alone. */
  readonly alone?: boolean
  /** Number of the first page. */
  readonly start: number
  /** Records in a full page, where the response does not say. */
  readonly size?: number
  readonly stop?: {
    readonly shortPage?: { readonly count?: Place; readonly limit?: Place }
    readonly emptyPage?: boolean
    readonly more?: Place
  }
  readonly maxPages: number
}

export interface WindowOptions {
  /** RFC 3339, or a duration back from the first start. */
  readonly since: string
  readonly until?: string
  readonly step?: number
  readonly lag: number
  readonly overlap: number
  /** The longer overlap of every first window after `sweepEvery`. */
  readonly sweep?: number
  readonly sweepEvery: number
  readonly retention?: number
}

/** Asks how many records a window has. */
export interface CountOptions {
  readonly request: RequestOptions
  /** Where the number is in the answer. */
  readonly value: Place
}

/** Asks how many records each hour has, to find once a day those that came after their hour was read. */
export interface RepairOptions {
  readonly request: RequestOptions
  /** Dotted keys to the array of counts in an answer; `$` is the answer itself. */
  readonly buckets: string
  /** The member of a count that holds the beginning of its hour, */
  readonly start: string
  /** and the one that holds the number. */
  readonly count: string
  /** How far before the high watermark hours are compared. */
  readonly back: number
}

interface TimeoutOptions {
  readonly connect: number
  readonly headers: number
  /** Between two chunks of a body. */
  readonly body: number
  /** All the time that one response keeps us waiting. */
  readonly request: number
}

export interface Tenant {
  /** The partition. */
  readonly name: string
  readonly values: { readonly [name: string]: string }
}
