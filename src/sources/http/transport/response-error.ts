import { SluiceError } from '../../../errors.ts'

/** A request that was answered with an error status. */
export class ResponseError extends SluiceError {
  readonly status: number
  /** How long the server told us to wait, in milliseconds. */
  readonly retryAfter: number | undefined

  constructor(status: number, message: string, retryAfter?: number) {
    // A refusal that says when to come back is about the pace.
    const mayPass = RETRYABLE.has(status) || (status === 403 && retryAfter !== undefined)
    super(mayPass ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED', message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** A response that is not what it should be; the next one may be. */
export function invalidResponse(message: string, cause?: unknown): SluiceError {
  return new SluiceError('SOURCE_UNAVAILABLE', message, { cause })
}

const RETRYABLE: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])
