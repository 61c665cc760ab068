import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { OutboxFile } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { notS3, s3Error, s3Facts } from '../../s3/errors.ts'
import type { S3Destination } from './destination.ts'
import { objectParams } from './params.ts'

/**
 * `unknown`: this identity may not read the object. Without the right to list, S3 says so of an
 * absent object too.
 */
export type Presence = 'visible' | 'absent' | 'unknown'

export interface LookUp {
  readonly client: S3Client
  readonly file: Pick<OutboxFile, 'bytes'>
  readonly destination: S3Destination
  readonly signal: AbortSignal
}

/**
 * Asks the store whether it has the object of a file.
 * @throws SluiceError SINK_UNAVAILABLE; SINK_REFUSED if the object has another length, or if no store
 *   answers.
 */
export async function lookUp({ client, file: { bytes }, destination, signal }: LookUp): Promise<Presence> {
  const { bucket, key } = destination
  const [response] = await Promise.allSettled([head(client, destination, signal)])
  if (response.status === 'rejected') {
    if (s3Facts(response.reason).status === 404) return 'absent'
    const error = s3Error(response.reason, { operation: 'HeadObject', bucket })
    if (error.retryable) throw error
    return 'unknown'
  }
  const { ETag: etag, ContentLength: length = bytes } = response.value
  if (etag === undefined) throw notS3({ operation: 'HeadObject', bucket })
  if (length === bytes) return 'visible'
  throw new SluiceError(
    'SINK_REFUSED',
    `${key} in bucket ${bucket} has ${length} bytes, ${bytes} are committed: another program wrote it; move it away`,
  )
}

/**
 * True if the object exists, with this length. False if it does not exist, or this identity may not
 * read it.
 */
export async function isVisible(
  client: S3Client,
  destination: S3Destination,
  { bytes, signal }: { readonly bytes: number | undefined; readonly signal: AbortSignal },
): Promise<boolean> {
  const [response] = await Promise.allSettled([head(client, destination, signal)])
  if (response.status === 'rejected' || response.value.ETag === undefined) return false
  const { ContentLength: length } = response.value
  return bytes === undefined || length === undefined || length === bytes
}

function head(client: S3Client, destination: S3Destination, signal: AbortSignal) {
  return client.send(new HeadObjectCommand(objectParams(destination)), { abortSignal: signal })
}
