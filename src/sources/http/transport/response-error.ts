import { SluiceError } from '../../../errors.ts'

interface ResponseErrorDetails {
  readonly hint?: string
  /** The status of the API. Undefined for other servers, such as the token endpoint. */
  readonly status?: number | undefined
  readonly retryable: boolean
  /** The wait that the server asks for, in milliseconds. */
  readonly retryAfter?: number | undefined
}

/** A server responded with an error status. */
export class ResponseError extends SluiceError {
  readonly status: number | undefined
  readonly retryAfter: number | undefined

  constructor(message: string, { status, retryable, retryAfter, hint }: ResponseErrorDetails) {
    super(retryable ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED', message, { ...(hint !== undefined && { hint }) })
    this.status = status
    this.retryAfter = retryAfter
  }

  withHint(hint: string): ResponseError {
    const { message, status, retryable, retryAfter } = this
    return new ResponseError(message, { status, retryable, retryAfter, hint })
  }
}

/**
 * For a response that is missing, cut short or malformed. Retryable: the next one may be intact.
 */
export function invalidResponse(message: string, cause?: unknown, hint?: string): SluiceError {
  return new SluiceError('SOURCE_UNAVAILABLE', message, { cause, ...(hint !== undefined && { hint }) })
}
