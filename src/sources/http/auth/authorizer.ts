import type { PreparedRequest } from '../transport/request.ts'

/** Adds credentials to requests. */
export interface Authorizer {
  /**
   * Returns the request as it is sent. May fetch a token first, for `timeout.request` at
   * most; the signal ends that.
   */
  authorize(request: PreparedRequest, signal: AbortSignal): Promise<PreparedRequest>
  /**
   * Called after a 401: discards the credential of this request.
   * @returns false if no other credential can be obtained.
   */
  renew(sent: PreparedRequest): boolean
  /** Texts to hide in messages. */
  secrets(): string[]
}

export function withHeader(request: PreparedRequest, name: string, value: string): PreparedRequest {
  return { ...request, headers: { ...request.headers, [name.toLowerCase()]: value } }
}

/** `name:secret` in base64, as the Basic scheme has it. */
export function basicOf(name: string, secret: string): string {
  return Buffer.from(`${name}:${secret}`).toString('base64')
}
