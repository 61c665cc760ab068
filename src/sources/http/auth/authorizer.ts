import type { Dispatcher } from 'undici'
import type { PreparedRequest } from '../transport/request.ts'

/** Gives requests their credentials. */
export interface Authorizer {
  /** The request as it is sent. */
  authorize(request: PreparedRequest, context: AuthContext): Promise<PreparedRequest>
  /** Gives up the credential that this request was sent with, after a 401. False when there is no other to be had. */
  renew(sent: PreparedRequest): boolean
  /** What must not appear in any message. */
  secrets(): string[]
}

export interface AuthContext {
  readonly dispatcher: Dispatcher
  readonly signal: AbortSignal
}

export function withHeader(request: PreparedRequest, name: string, value: string): PreparedRequest {
  return { ...request, headers: { ...request.headers, [name.toLowerCase()]: value } }
}

export function basicOf(name: string, secret: string): string {
  return Buffer.from(`${name}:${secret}`).toString('base64')
}
