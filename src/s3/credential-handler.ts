import { setMaxListeners } from 'node:events'
import { TlsHandler } from './tls-handler.ts'

type Handle = TlsHandler['handle']

/** Sends the requests of credential providers, which take no abort signal. `destroy` ends them. */
export class CredentialHandler extends TlsHandler {
  readonly #closing = new AbortController()

  constructor(...options: ConstructorParameters<typeof TlsHandler>) {
    super(...options)
    setMaxListeners(0, this.#closing.signal)
  }

  override handle(...[request, options]: Parameters<Handle>): ReturnType<Handle> {
    return super.handle(request, { ...options, abortSignal: this.#closing.signal })
  }

  override destroy(): void {
    this.#closing.abort()
    super.destroy()
  }
}
