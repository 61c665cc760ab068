import { SluiceError } from '../../../errors.ts'

interface ResponseErrorDetails {
  /** The status of the API. Undefined for other servers, such as the token endpoint. */
  readonly status?: number
  readonly retryable: boolean
  /** The wait that the server asks for, in milliseconds. */
  readonly retryAfter?: number | undefined
}

/** A server responded with an error status. */
export class ResponseError extends SluiceError {
  readonly status: number | undefined
  readonly retryAfter: number | undefined

  constructor(message: string, { status, retryable, retryAfter }: ResponseErrorDetails) {
    super(retryable ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED', message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/**
 * For a response that is missing, cut short or malformed. Retryable: the next one may be intact.
 */
export function invalidResponse(message: string, cause?: unknown, hint?: string): SluiceError {
  return new SluiceError('SOURCE_UNAVAILABLE', message, { cause, ...(hint !== undefined && { hint }) })
}
