import { SluiceError } from '../../../errors.ts'

/** The API responded with an error status. */
export class ResponseError extends SluiceError {
  readonly status: number
  /** The wait that the API asks for, in milliseconds. */
  readonly retryAfter: number | undefined

  constructor(status: number, message: string, retryAfter?: number) {
    // A 403 that asks to wait is a rate limit.
    const retryable = RETRYABLE.has(status) || (status === 403 && retryAfter !== undefined)
    super(retryable ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED', message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/**
 * For a response that is missing, cut short or malformed. Retryable: the next one may be intact.
 */
export function invalidResponse(message: string, cause?: unknown): SluiceError {
  return new SluiceError('SOURCE_UNAVAILABLE', message, { cause })
}

const RETRYABLE: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])
