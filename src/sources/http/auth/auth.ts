import { createTokenAuthorizer } from './oauth.ts'
import type { AuthOptions } from '../options.ts'
import type { PreparedRequest } from '../transport/request.ts'
import { createSigner } from './hmac.ts'
import { basicOf, withHeader } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'

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
