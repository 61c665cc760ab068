import { NodeHttpHandler } from '@smithy/node-http-handler'
import { isLoopback } from '../network/tls.ts'
import { insecure } from './errors.ts'

type Handler = NodeHttpHandler['handle']

/**
 * Sends nothing without TLS to another machine: neither requests to the store, nor those for
 * credentials, wherever their endpoint is configured.
 * @throws SluiceError SINK_REFUSED
 */
export class TlsHandler extends NodeHttpHandler {
  readonly #allowInsecure: boolean

  constructor(
    { allowInsecure = false }: { readonly allowInsecure?: boolean | undefined },
    options: ConstructorParameters<typeof NodeHttpHandler>[0],
  ) {
    super(options)
    this.#allowInsecure = allowInsecure
  }

  override async handle(...[request, options]: Parameters<Handler>): ReturnType<Handler> {
    const { protocol, hostname } = request
    if (protocol === 'https:' || this.#allowInsecure || isLoopback(hostname)) return super.handle(request, options)
    throw insecure(`${protocol}//${hostname}`)
  }
}
