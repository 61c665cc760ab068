import type { S3Client } from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import { s3Error } from '../../s3/errors.ts'

/** The bucket that is read, and the client that reads it. */
export interface Store {
  readonly client: S3Client
  readonly bucket: string
  /** Undefined: Amazon S3. */
  readonly endpoint: string | undefined
  readonly expectedBucketOwner: string | undefined
  readonly requesterPays: boolean
  /** Milliseconds without a byte after which a request is repeated. */
  readonly timeout: number
}

/** Parameters of every request. */
export function requestParams({ bucket, expectedBucketOwner, requesterPays }: Store) {
  return {
    Bucket: bucket,
    ...(expectedBucketOwner !== undefined && { ExpectedBucketOwner: expectedBucketOwner }),
    ...(requesterPays && { RequestPayer: 'requester' as const }),
  }
}

/** An error of the store, as one of a source. */
export function sourceError(error: unknown, operation: string, { bucket }: Pick<Store, 'bucket'>): SluiceError {
  return asSourceError(s3Error(error, { operation, bucket }))
}

/** The S3 client is shared with the sink, and names its errors after it. */
export function asSourceError(error: SluiceError): SluiceError {
  const code = CODES[error.code]
  if (code === undefined) return error
  const { message, retryable, hint, cause } = error
  return new SluiceError(code, message, { retryable, cause, ...(hint !== undefined && { hint }) })
}

const CODES: { readonly [code in ErrorCode]?: ErrorCode } = {
  SINK_REFUSED: 'SOURCE_REFUSED',
  SINK_UNAVAILABLE: 'SOURCE_UNAVAILABLE',
}

/** The result of a call of the SDK, which may wait for credentials or a retry without a signal. */
export function untilAborted<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    call.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
