import { SluiceError } from '../../errors.ts'
import { s3Error, s3Facts } from '../../s3/errors.ts'
import { isAfterLostAnswer } from '../../s3/lost-answers.ts'

/** The operations that make an object visible. */
export const PUBLISHING: ReadonlySet<string> = new Set(['PutObject', 'CompleteMultipartUpload'])

/** The store answered that the object exists, to `If-None-Match: *`. 412 is the documented answer. */
export class AlreadyExists extends Error {
  readonly status: number

  constructor(status: number) {
    super()
    this.status = status
  }
}

/** The request that makes the object visible may have taken effect. */
export class OutcomeUnknown extends Error {
  readonly failure: SluiceError

  constructor(failure: SluiceError) {
    super()
    this.failure = failure
  }
}

/**
 * Converts an error of an operation that makes an object visible: AlreadyExists, OutcomeUnknown, or
 * a SluiceError if the operation has certainly done nothing.
 */
export function publishingError(error: unknown, operation: string, bucket: string): Error {
  const { status, code } = s3Facts(error)
  if (status === 412 || status === 304) return new AlreadyExists(status)
  const failure = s3Error(error, { operation, bucket })
  if (error instanceof SluiceError) return failure
  // Stores answer the repeat of a finished CompleteMultipartUpload in many ways: 404 NoSuchUpload,
  // 404 NoSuchKey, 403.
  const isGone = operation === 'CompleteMultipartUpload' && (code === 'NoSuchUpload' || code === 'NoSuchKey')
  const isAnswer = status !== undefined && status >= 300 && status < 500
  if ((isAnswer || !failure.retryable) && !isGone && !isAfterLostAnswer(error)) return failure
  if (failure.retryable) return new OutcomeUnknown(failure)
  return new OutcomeUnknown(
    new SluiceError('SINK_UNAVAILABLE', `the outcome of an earlier request is unknown, and ${failure.message}`),
  )
}
