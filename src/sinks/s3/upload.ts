import { createReadStream } from 'node:fs'
import { AbortMultipartUploadCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { ObjectCannedACL, S3Client, ServerSideEncryption } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { Attempt, OutboxFile } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { S3Location } from '../../s3/client.ts'
import { s3Error, s3Facts } from '../../s3/errors.ts'

/** Everything that the upload of an object needs except credentials, as JSON. */
export interface S3Destination extends S3Location {
  readonly bucket: string
  readonly key: string
  readonly partSize: number
  readonly expectedBucketOwner?: string
  readonly acl?: ObjectCannedACL
  readonly serverSideEncryption?: ServerSideEncryption
  readonly kmsKeyId?: string
}

export interface UploadOptions {
  readonly client: S3Client
  readonly file: OutboxFile
  readonly destination: S3Destination
  readonly signal: AbortSignal
  readonly attempt: Attempt
}

/**
 * Uploads a file as an object, in parts if it is larger than `partSize`. Idempotent: the key
 * contains a hash of the content, so an existing object with this key is the same object. Aborts
 * the multipart upload of an earlier attempt first.
 * @returns false if the store reports that the object exists. That is checked if this identity may
 *   read it.
 * @throws SluiceError SINK_UNAVAILABLE, also if the object does not exist after all; SINK_REFUSED,
 *   also if it exists with another length.
 */
export async function uploadObject({ client, file, destination, signal, attempt }: UploadOptions): Promise<boolean> {
  await abortEarlier(client, destination, attempt)
  const body = createReadStream(file.path, { highWaterMark: FILE_CHUNK })
  const upload = new Upload({
    client: wrap(client, destination, signal, attempt),
    partSize: destination.partSize,
    // An upload holds about three parts more than this in memory.
    queueSize: 2,
    params: {
      ...objectParams(destination),
      ...storageOptions(destination),
      Body: body,
      ContentLength: file.bytes,
      IfNoneMatch: '*',
    },
  })
  try {
    await upload.done()
    return true
  } catch (error) {
    if (!(error instanceof AlreadyExists)) throw s3Error(error, { operation: 'Upload', bucket: destination.bucket })
  } finally {
    body.destroy()
  }
  await confirmExists(client, file, destination, signal)
  return false
}

/** True if the object exists. False if it does not exist, or this identity may not read it. */
export async function isVisible(client: S3Client, destination: S3Destination, signal: AbortSignal): Promise<boolean> {
  const [response] = await Promise.allSettled([head(client, destination, signal)])
  return response.status === 'fulfilled'
}

/** The store answered 412 to `If-None-Match: *`. */
class AlreadyExists extends Error {}

const FILE_CHUNK = 1 << 20

/** Parameters of every call for an object. */
export function objectParams({ bucket, key, expectedBucketOwner }: S3Destination) {
  return {
    Bucket: bucket,
    Key: key,
    ...(expectedBucketOwner !== undefined && { ExpectedBucketOwner: expectedBucketOwner }),
  }
}

/** Parameters of every call that creates an object. */
export function storageOptions({ acl, serverSideEncryption, kmsKeyId }: S3Destination) {
  return {
    ContentType: 'application/x-ndjson',
    ...(acl && { ACL: acl }),
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
  }
}

function head(client: S3Client, destination: S3Destination, signal: AbortSignal) {
  return client.send(new HeadObjectCommand(objectParams(destination)), { abortSignal: signal })
}

async function confirmExists(
  client: S3Client,
  { bytes }: OutboxFile,
  destination: S3Destination,
  signal: AbortSignal,
): Promise<void> {
  const { bucket, key } = destination
  const [response] = await Promise.allSettled([head(client, destination, signal)])
  if (response.status === 'rejected') {
    if (s3Facts(response.reason).status === 404) {
      throw new SluiceError(
        'SINK_UNAVAILABLE',
        `the store reports that ${key} exists in bucket ${bucket}, but it does not`,
      )
    }
    const error = s3Error(response.reason, { operation: 'HeadObject', bucket })
    if (error.retryable) throw error
    return
  }
  const { ContentLength: length = bytes } = response.value
  if (length === bytes) return
  throw new SluiceError(
    'SINK_REFUSED',
    `${key} in bucket ${bucket} has ${length} bytes, ${bytes} are committed: another program wrote it; move it away`,
  )
}

async function abortEarlier(client: S3Client, destination: S3Destination, { resumeToken }: Attempt): Promise<void> {
  if (typeof resumeToken !== 'string') return
  // Failures are ignored: the upload may not exist, and the bucket's lifecycle rule removes stale
  // uploads.
  await Promise.allSettled([
    client.send(new AbortMultipartUploadCommand({ ...objectParams(destination), UploadId: resumeToken })),
  ])
}

/**
 * The client that `Upload` uses. Its calls end with our signal, its errors are ours and name the
 * operation, and the id of a multipart upload is saved before the first part is sent.
 */
function wrap(client: S3Client, { bucket }: S3Destination, signal: AbortSignal, attempt: Attempt): S3Client {
  const send = async (command: Command): Promise<unknown> => {
    const operation = command.constructor.name.replace(/Command$/, '')
    // The parts of an aborted upload are removed even if the run ends.
    const options = operation === 'AbortMultipartUpload' ? {} : { abortSignal: signal }
    try {
      const output = await client.send(command, options)
      if ('UploadId' in output && operation === 'CreateMultipartUpload' && output.UploadId !== undefined) {
        await attempt.saveResumeToken(output.UploadId)
      }
      return output
    } catch (error) {
      if (s3Facts(error).status === 412) throw new AlreadyExists()
      throw s3Error(error, { operation, bucket })
    }
  }
  return Object.create(client, { send: { value: send } })
}

type Command = Parameters<S3Client['send']>[0]
