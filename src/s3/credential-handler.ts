import { setMaxListeners } from 'node:events'
import { observeAttempt } from './observe-requests.ts'
import type { StoreObserver } from './store-observer.ts'
import { TlsHandler } from './tls-handler.ts'

type Handle = TlsHandler['handle']
type Store = ConstructorParameters<typeof TlsHandler>[0] & { readonly observe?: StoreObserver | undefined }

/** Sends the requests of credential providers, which take no abort signal. `destroy` ends them. */
export class CredentialHandler extends TlsHandler {
  readonly #closing = new AbortController()
  readonly #observe: StoreObserver | undefined

  constructor(store: Store, options: ConstructorParameters<typeof TlsHandler>[1]) {
    super(store, options)
    this.#observe = store.observe
    setMaxListeners(0, this.#closing.signal)
  }

  override handle(...[request, options]: Parameters<Handle>): ReturnType<Handle> {
    const send = () => super.handle(request, { ...options, abortSignal: this.#closing.signal })
    if (this.#observe === undefined) return send()
    return observeAttempt(send, {
      request,
      operation: operationOf(request),
      observe: this.#observe,
      statusOf: ({ response }) => response.statusCode,
    })
  }

  override destroy(): void {
    this.#closing.abort()
    super.destroy()
  }
}

/** STS has the operation in the body: `Action=AssumeRole&...`. */
function operationOf({ body, path }: Parameters<Handle>[0]): string {
  const [, action] = typeof body === 'string' ? (/(?:^|&)Action=(\w{1,64})(?:&|$)/.exec(body) ?? []) : []
  if (action !== undefined) return action
  return path.startsWith('/federation/credentials') ? 'GetRoleCredentials' : 'GetCredentials'
}
