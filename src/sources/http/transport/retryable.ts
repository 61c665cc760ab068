import { errors } from 'undici'
import { connectionMistake } from '../../../network/tls.ts'
import { SluiceError } from '../../../errors.ts'
import { isTransientStatus } from '../../../network/http-status.ts'
import { nameOf, ProxyError, proxyFor } from '../../../network/proxy.ts'
import type { HttpOptions } from '../options.ts'
import { invalidResponse } from './response-error.ts'

/**
 * True if a request that was answered with this status is repeated. `retry.statuses` overrides the
 * table of `src/network/http-status.ts`. A 403 that asks to wait is a rate limit.
 */
export function isRetryable(
  status: number,
  retryAfter: number | undefined,
  statuses: HttpOptions['retry']['statuses'],
): boolean {
  const configured = statuses?.[status]
  if (configured !== undefined) return configured === 'retry'
  return isTransientStatus(status) || (status === 403 && retryAfter !== undefined)
}

export interface Asked {
  readonly url: URL
  /** An API that has answered before is away; one that never did may have another address. */
  readonly hasAnswered: boolean
  /** Removes secrets from a text. */
  readonly hide: (text: string) => string
}

/** Converts the error of a request without a response. */
export async function networkError(error: unknown, { url, hasAnswered, hide }: Asked): Promise<SluiceError> {
  const message = hide(error instanceof Error ? error.message : String(error))
  if (error instanceof errors.InvalidArgumentError)
    return new SluiceError('SOURCE_FAILED', `the request cannot be sent: ${message}`)
  const text = `no response from ${url.origin}: ${message}`
  if (!(error instanceof ProxyError)) {
    const proxy = proxyFor(url)
    const mistake = proxy === undefined && !hasAnswered ? await connectionMistake(error, url) : undefined
    if (mistake !== undefined) {
      const also = mistake.includes('NODE_EXTRA_CA_CERTS') ? ', or set `tls.ca`' : ''
      return new SluiceError('SOURCE_REFUSED', `no response from ${url.origin}: ${mistake}${also}`)
    }
    return invalidResponse(proxy === undefined ? text : `${text} (through the proxy ${nameOf(proxy)})`, error)
  }
  return error.transient ? invalidResponse(text, error) : new SluiceError('SOURCE_REFUSED', text, { cause: error })
}
