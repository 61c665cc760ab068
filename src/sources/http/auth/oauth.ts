import { TokenEndpoint } from './token-endpoint.ts'
import type { Token, TokenConnection } from './token-endpoint.ts'
import { withHeader } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'
import type { TokenAuth } from './fields.ts'
import type { PreparedRequest } from '../transport/request.ts'

/**
 * OAuth 2.0: client credentials and refresh tokens (RFC 6749, 4.4 and 6), signed assertions (RFC
 * 7523). All requests share one access token. It is fetched once for all that wait, and again
 * shortly before it expires or after a 401.
 */
export function createTokenAuthorizer(auth: TokenAuth, connection: TokenConnection): Authorizer {
  let token: Token | undefined
  let fetching: Promise<Token> | undefined
  const endpoint = new TokenEndpoint(auth, connection)

  return {
    async authorize(prepared, signal) {
      if (token === undefined || connection.time.monotonic() >= token.renewAt) {
        fetching ??= endpoint.fetch(signal).finally(() => {
          fetching = undefined
        })
        token = await fetching
      }
      return withHeader(prepared, 'authorization', bearer(token))
    },
    renew({ headers }: PreparedRequest) {
      if (token !== undefined && bearer(token) === headers['authorization']) token = undefined
      return true
    },
    secrets: () => [...endpoint.secrets, ...(token === undefined ? [] : [token.text])],
  }
}

function bearer(token: Token): string {
  return `Bearer ${token.text}`
}
