import type { Exchange } from '../../../network/exchange.ts'
import type { Clock } from '../../../clock.ts'
import { createTokenAuthorizer } from './oauth.ts'
import type { PreparedRequest } from '../transport/request.ts'
import type { HttpOptions } from '../options.ts'
import type { ApiKeyAuth } from './fields.ts'
import { createSigner } from './hmac.ts'
import { learnSecret } from '../../../observe/secrets.ts'
import { basicOf, withHeader } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'

export function createAuthorizer(
  options: HttpOptions,
  { send, time }: { readonly send: Exchange; readonly time: Clock },
): Authorizer {
  const { auth } = options
  if (auth === undefined) return fixed((request) => request, [])
  switch (auth.type) {
    case 'apiKey':
      return createKeyAuthorizer(auth)
    case 'bearer': {
      const { token } = auth
      return fixed((request) => withHeader(request, 'authorization', `Bearer ${token}`), [token])
    }
    case 'basic': {
      const { username, password } = auth
      const basic = basicOf(username, password)
      learnSecret(basic)
      return fixed((request) => withHeader(request, 'authorization', `Basic ${basic}`), [password, basic])
    }
    case 'hmac': {
      const { sign, secrets } = createSigner(auth, time)
      return fixed(sign, secrets)
    }
    default:
      return createTokenAuthorizer(auth, {
        send,
        time,
        timeout: options.timeout.request,
        statuses: options.retry.statuses,
      })
  }
}

/** Replaces a key that a link to the next page may already hold. */
function createKeyAuthorizer({ header, query, key, prefix }: ApiKeyAuth): Authorizer {
  // Verbatim, and in the two encodings in which an error may quote it.
  const secrets = [key, encodeURIComponent(key), new URLSearchParams({ key }).toString().slice('key='.length)]
  if (header !== undefined) return fixed((request) => withHeader(request, header, prefix + key), secrets)
  return fixed((request) => {
    const url = new URL(request.url)
    if (query !== undefined) url.searchParams.set(query, key)
    return { ...request, url }
  }, secrets)
}

function fixed(authorize: (request: PreparedRequest) => PreparedRequest, secrets: string[]): Authorizer {
  return { authorize: (request) => Promise.resolve(authorize(request)), renew: () => false, secrets: () => secrets }
}
