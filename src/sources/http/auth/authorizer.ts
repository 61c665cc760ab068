import type { Dispatcher } from 'undici'
import type { PreparedRequest } from '../transport/request.ts'

/** Adds credentials to requests. */
export interface Authorizer {
  /** Returns the request as it is sent. May fetch a token first. */
  authorize(request: PreparedRequest, context: AuthContext): Promise<PreparedRequest>
  /**
   * Called after a 401: discards the credential of this request.
   * @returns false if no other credential can be obtained.
   */
  renew(sent: PreparedRequest): boolean
  /** Texts to hide in messages. */
  secrets(): string[]
}

export interface AuthContext {
  readonly dispatcher: Dispatcher
  readonly signal: AbortSignal
}

export function withHeader(request: PreparedRequest, name: string, value: string): PreparedRequest {
  return { ...request, headers: { ...request.headers, [name.toLowerCase()]: value } }
}

/** `name:secret` in base64, as the Basic scheme has it. */
export function basicOf(name: string, secret: string): string {
  return Buffer.from(`${name}:${secret}`).toString('base64')
}
