import type { Readable } from 'node:stream'

/** A request as a source sends it, complete with its credentials. */
export interface ExchangeRequest {
  readonly origin: string
  /** Path and query. */
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly signal: AbortSignal
}

export interface ExchangeResponse {
  readonly statusCode: number
  /** By names in lower case. */
  readonly headers: { readonly [name: string]: string | string[] | undefined }
  /** As it came: compressed if `content-encoding` says so. Its reader consumes or destroys it. */
  readonly body: Readable
}

/** Sends one request. Follows no redirects. */
export type Exchange = (request: ExchangeRequest) => Promise<ExchangeResponse>

/**
 * Stands between a source and the network. A test of a pipeline sends the requests elsewhere and never
 * calls `send`; a recording passes them on and keeps what it sees.
 */
export type ExchangeLayer = (send: Exchange) => Exchange
