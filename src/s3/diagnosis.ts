import { lookup } from 'node:dns/promises'
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import { connectionMistake } from '../network/tls.ts'
import { SluiceError, systemCode } from '../errors.ts'
import { proxyFor } from '../network/proxy.ts'
import { TlsHandler } from './tls-handler.ts'

type Handler = NodeHttpHandler['handle']
type Request = Parameters<Handler>[0]
type Response = Awaited<ReturnType<Handler>>['response']

/**
 * Sends the requests of the SDK. Until the store has answered once, it tells mistakes of the
 * configuration from outages, which look alike to the SDK: a mistake is thrown as a SluiceError, so
 * it is not repeated.
 * @throws SluiceError SINK_REFUSED. SINK_UNAVAILABLE for a host name that does not exist.
 */
export class DiagnosingHandler extends TlsHandler {
  readonly #endpoint: string | undefined
  #hasAnswered = false

  constructor(
    store: { readonly endpoint?: string | undefined; readonly allowInsecure?: boolean | undefined },
    options: ConstructorParameters<typeof NodeHttpHandler>[0],
  ) {
    super(store, options)
    this.#endpoint = store.endpoint
  }

  override async handle(...[request, options]: Parameters<Handler>): ReturnType<Handler> {
    let result: Awaited<ReturnType<Handler>>
    try {
      result = await super.handle(request, options)
    } catch (error) {
      if (error instanceof SluiceError || this.#hasAnswered || options?.abortSignal?.aborted) throw error
      throw (await this.#mistake(error, request)) ?? error
    }
    if (!this.#hasAnswered && isPlainRefusal(result.response)) {
      const mistake = await connectionMistake(undefined, urlOf(request))
      if (mistake !== undefined) throw refusal(`${urlOf(request).host}: ${mistake}`)
    }
    this.#hasAnswered = true
    return result
  }

  async #mistake(error: unknown, request: Request): Promise<SluiceError | undefined> {
    const url = urlOf(request)
    if (proxyFor(url) !== undefined) return undefined
    const code = systemCode(error)
    if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return hostMistake(code, url, this.#endpoint)
    const mistake = await connectionMistake(error, url)
    return mistake === undefined ? undefined : refusal(`${url.host}: ${mistake}`)
  }
}

/** True for the error of a host name that does not exist: a mistake, or an outage of the resolver. */
function isUnknownHost(error: unknown): error is SluiceError {
  return error instanceof SluiceError && unknownHosts.has(error)
}

/** The error itself, or a refusal in place of one about a host name that does not exist. */
export function withKnownHost(error: unknown): unknown {
  return isUnknownHost(error) ? refusal(error.message) : error
}

const unknownHosts = new WeakSet<SluiceError>()

async function hostMistake(
  code: 'ENOTFOUND' | 'EAI_AGAIN',
  { hostname }: URL,
  endpoint: string | undefined,
): Promise<SluiceError | undefined> {
  const base = endpoint === undefined ? AMAZON : new URL(endpoint).hostname
  const hasBucket = endpoint !== undefined && hostname.endsWith(`.${base}`)
  // EAI_AGAIN is an outage of the resolver, which such names as `localhost` and `minio` do not need.
  if (hasBucket && (code === 'ENOTFOUND' || !base.includes('.')) && (await exists(base))) {
    return refusal(`the host ${hostname} does not exist, but ${base} does: set \`forcePathStyle: true\``)
  }
  if (code === 'EAI_AGAIN') return undefined
  if (endpoint === undefined && (await exists(AMAZON))) {
    return refusal(`the host ${hostname} does not exist: correct \`region\``)
  }
  const error = new SluiceError(
    'SINK_UNAVAILABLE',
    `the host ${hostname} does not exist: correct ${endpoint === undefined ? '`region`' : '`endpoint`'}`,
  )
  unknownHosts.add(error)
  return error
}

const AMAZON = 's3.amazonaws.com'

async function exists(host: string): Promise<boolean> {
  const [found] = await Promise.allSettled([lookup(host)])
  return found.status === 'fulfilled'
}

/** What web servers answer to plain HTTP on a port that speaks TLS. S3 stores answer with XML. */
function isPlainRefusal({ statusCode, headers }: Response): boolean {
  return statusCode === 400 && !/\bxml\b/.test(headers['content-type'] ?? '')
}

function refusal(message: string): SluiceError {
  return new SluiceError('SINK_REFUSED', message)
}

function urlOf({ protocol, hostname, port }: Request): URL {
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`)
}
