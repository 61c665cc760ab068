import type { JsonObject } from '../../record/json/json.ts'
import type { AuthOptions } from './auth/fields.ts'

/**
 * Options of `createHttpSource`: the checked configuration of `http`, or those of a preset.
 * Durations are milliseconds.
 */
export interface HttpOptions {
  readonly request: RequestOptions
  readonly auth?: AuthOptions | undefined
  readonly tls?: TlsOptions | undefined
  /** Dotted keys to the array of records in a response; `$` is the response itself. */
  readonly records: string
  /** `auto` goes by the content type. */
  readonly format: 'auto' | 'json' | 'ndjson'
  readonly paginate?: PaginateOptions | undefined
  readonly window?: WindowOptions | undefined
  readonly count?: CountOptions | undefined
  readonly repair?: RepairOptions | undefined
  readonly tenants: readonly Tenant[]
  readonly rate: { readonly perSecond: number; readonly concurrency: number }
  readonly retry: {
    readonly attempts: number
    readonly maxDelay: number
    /** With `--follow`: how long to wait for a new key in a file when the API refuses the old one. */
    readonly refusedFor: number
    /** Overrides the statuses that are repeated by default. */
    readonly statuses?: { readonly [status: string]: 'retry' | 'fail' }
  }
  readonly timeout: TimeoutOptions
  readonly poll: number
  /** Largest response after decompression, in bytes. */
  readonly maxBody: number
  readonly allowInsecure: boolean
  /** The meaning of an error status with this API, and the way out. */
  explain?(status: number): string | undefined
}

/** Texts can contain placeholders, see `template.ts`. */
export interface RequestOptions {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly query: { readonly [name: string]: string }
  readonly body?: JsonObject | undefined
}

/** Paths of PEM files. */
export interface TlsOptions {
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly ca?: string
}

/** A value in a response: exactly one of the two is set. */
export interface ResponseLocation {
  readonly header?: string
  /** Dotted keys. */
  readonly body?: string
}

export interface PaginateOptions {
  readonly type: 'cursor' | 'link' | 'page' | 'offset'
  readonly from?: ResponseLocation
  readonly into?: { readonly header?: string; readonly query?: string; readonly body?: string }
  /** Later pages send the cursor instead of all other parameters. */
  readonly alone?: boolean
  /** Number of the first page. */
  readonly start: number
  /** Records in a full page, if the response does not say. */
  readonly size?: number
  readonly stop?: {
    readonly shortPage?: { readonly count?: ResponseLocation; readonly limit?: ResponseLocation }
    readonly emptyPage?: boolean
    readonly more?: ResponseLocation
  }
  readonly maxPages: number
}

export interface WindowOptions {
  /** RFC 3339, or a duration back from the start of the first run. */
  readonly since: string
  readonly until?: string
  readonly step?: number
  /** The settling delay. */
  readonly lag: number
  readonly overlap: number
  /** Depth of the look-back: the overlap of the first window after each `sweepEvery`. */
  readonly sweep?: number
  readonly sweepEvery: number
  readonly retention?: number
}

/** Request for the number of records in a window. */
export interface CountOptions {
  readonly request: RequestOptions
  /** Location of the number in the response. */
  readonly value: ResponseLocation
}

/**
 * Reconciliation: request for hourly counts, to find records that arrived after their hour was
 * read.
 */
export interface RepairOptions {
  readonly request: RequestOptions
  /** Dotted keys to the array of counts in the response; `$` is the response itself. */
  readonly buckets: string
  /** Key with the start of the hour. */
  readonly start: string
  /** Key with the number of records. */
  readonly count: string
  /** Hours this long before the high watermark are compared. */
  readonly back: number
}

interface TimeoutOptions {
  readonly connect: number
  readonly headers: number
  /** Between two parts of a body. */
  readonly body: number
  /** Total time of waiting for one response. */
  readonly request: number
}

export interface Tenant {
  /** Name of the source partition. */
  readonly name: string
  readonly values: { readonly [name: string]: string }
}
