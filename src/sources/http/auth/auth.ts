import type { Dispatcher } from 'undici'
import { createTokenAuthorizer } from './oauth.ts'
import type { AuthOptions } from '../options.ts'
import type { PreparedRequest } from '../transport/request.ts'
import { createSigner } from './hmac.ts'

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

export function createAuthorizer(auth: AuthOptions | undefined): Authorizer {
  if (auth === undefined) return fixed((request) => request, [])
  const { type, username = '', password = '', token = '' } = auth
  switch (type) {
    case 'apiKey':
      return createKeyAuthorizer(auth)
    case 'bearer':
      return fixed((request) => withHeader(request, 'authorization', `Bearer ${token}`), [token])
    case 'basic': {
      const basic = basicOf(username, password)
      return fixed((request) => withHeader(request, 'authorization', `Basic ${basic}`), [password, basic])
    }
    case 'hmac': {
      const { sign, secrets } = createSigner(auth)
      return fixed(sign, secrets)
    }
    default:
      return createTokenAuthorizer(auth)
  }
}

export function withHeader(request: PreparedRequest, name: string, value: string): PreparedRequest {
  return { ...request, headers: { ...request.headers, [name.toLowerCase()]: value } }
}

export function basicOf(name: string, secret: string): string {
  return Buffer.from(`${name}:${secret}`).toString('base64')
}

/** A link to the next page may hold the key already: it is replaced. */
function createKeyAuthorizer({ header, query, key = '', prefix = '' }: AuthOptions): Authorizer {
  // As it is, and as it stands in an address that somebody quotes.
  const secrets = [key, encodeURIComponent(key), new URLSearchParams({ key }).toString().slice('key='.length)]
  if (query === undefined) return fixed((request) => withHeader(request, header ?? '', prefix + key), secrets)
  return fixed((request) => {
    const url = new URL(request.url)
    url.searchParams.set(query, key)
    return { ...request, url }
  }, secrets)
}

function fixed(authorize: (request: PreparedRequest) => PreparedRequest, secrets: string[]): Authorizer {
  return { authorize: (request) => Promise.resolve(authorize(request)), renew: () => false, secrets: () => secrets }
}
