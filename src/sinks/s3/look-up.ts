import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ObjectFacts } from '../../component.ts'
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
  /** Length that the object must have, if it exists. */
  readonly file: Pick<ObjectFacts, 'bytes'>
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
  const { presence, length = bytes } = await presenceOf(client, destination, signal)
  if (presence !== 'visible' || length === bytes) return presence
  throw new SluiceError(
    'SINK_REFUSED',
    `${key} in bucket ${bucket} has ${length} bytes, ${bytes} are committed: another program wrote it; move it away`,
  )
}

/**
 * Asks the store whether it has an object of any length.
 * @throws SluiceError SINK_UNAVAILABLE; SINK_REFUSED if no store answers
 */
export async function presenceOf(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): Promise<{ readonly presence: Presence; readonly length?: number | undefined }> {
  const call = { operation: 'HeadObject', bucket: destination.bucket }
  const [response] = await Promise.allSettled([head(client, destination, signal)])
  if (response.status === 'rejected') {
    if (s3Facts(response.reason).status === 404) return { presence: 'absent' }
    const error = s3Error(response.reason, call)
    if (error.retryable) throw error
    return { presence: 'unknown' }
  }
  const { ETag: etag, ContentLength: length } = response.value
  if (etag === undefined) throw notS3(call)
  return { presence: 'visible', length }
}

/**
 * Returns when the store says that it has the object. Where this identity may not read, the earlier
 * answers of the store are trusted.
 * @throws SluiceError SINK_UNAVAILABLE, also if the object does not exist after all; SINK_REFUSED if it
 *   has another length
 */
export async function confirm(object: LookUp): Promise<void> {
  const { client, destination } = object
  if (withoutRead.has(client)) return
  const presence = await lookUp(object)
  if (presence === 'unknown') withoutRead.add(client)
  if (presence !== 'absent') return
  throw new SluiceError(
    'SINK_UNAVAILABLE',
    `the store reports that ${destination.key} exists in bucket ${destination.bucket}, but it does not`,
  )
}

/** Clients of identities that may not read objects: asking for every object would fill audit logs. */
const withoutRead = new WeakSet<S3Client>()

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
