import { createReadStream } from 'node:fs'
import { AbortMultipartUploadCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { ObjectCannedACL, S3Client, ServerSideEncryption } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { Attempt, OutboxFile } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { S3Place } from '../../s3/client.ts'
import { s3Error, s3Facts } from '../../s3/errors.ts'

/** All that the upload of an object needs except credentials. JSON. */
export interface S3Destination extends S3Place {
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
 * Makes an object of a file (true), unless the store says that there is one of its key (false): the key tells the content, so that one is this one. The store
 * is believed where we may not look; where we may, an object that is not there is put again, and one of another length is refused.
 * In parts when the file is larger than `partSize`; the parts of an earlier attempt are cleared away first.
 * @throws SluiceError SINK_REFUSED, SINK_UNAVAILABLE
 */
export async function uploadObject({ client, file, destination, signal, attempt }: UploadOptions): Promise<boolean> {
  await abortEarlier(client, destination, attempt)
  const body = createReadStream(file.path, { highWaterMark: FILE_CHUNK })
  const upload = new Upload({
    client: watched(client, destination, signal, attempt),
    partSize: destination.partSize,
    // Memory is about three parts more than those that are sent at once.
    queueSize: 2,
    params: {
      ...bucketOf(destination),
      ...howOf(destination),
      Body: body,
      ContentLength: file.bytes,
      IfNoneMatch: '*',
    },
  })
  try {
    await upload.done()
    return true
  } catch (error) {
    if (!(error instanceof AlreadyThere)) throw s3Error(error, { operation: 'Upload', bucket: destination.bucket })
  } finally {
    body.destroy()
  }
  await confirm(client, file, destination, signal)
  return false
}

/** True when the object can be seen; false when it is not there, or when we may not know. */
export async function isVisible(client: S3Client, destination: S3Destination, signal: AbortSignal): Promise<boolean> {
  const [head] = await Promise.allSettled([look(client, destination, signal)])
  return head.status === 'fulfilled'
}

/** The store's answer to `If-None-Match: *`. */
class AlreadyThere extends Error {}

const FILE_CHUNK = 1 << 20

/** What every call for an object names it by. */
export function bucketOf({ bucket, key, expectedBucketOwner }: S3Destination) {
  return {
    Bucket: bucket,
    Key: key,
    ...(expectedBucketOwner !== undefined && { ExpectedBucketOwner: expectedBucketOwner }),
  }
}

/** How an object is to be kept. */
export function howOf({ acl, serverSideEncryption, kmsKeyId }: S3Destination) {
  return {
    ContentType: 'application/x-ndjson',
    ...(acl && { ACL: acl }),
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
  }
}

function look(client: S3Client, destination: S3Destination, signal: AbortSignal) {
  return client.send(new HeadObjectCommand(bucketOf(destination)), { abortSignal: signal })
}

async function confirm(
  client: S3Client,
  { bytes }: OutboxFile,
  destination: S3Destination,
  signal: AbortSignal,
): Promise<void> {
  const { bucket, key } = destination
  const [head] = await Promise.allSettled([look(client, destination, signal)])
  if (head.status === 'rejected') {
    if (s3Facts(head.reason).status === 404) {
      throw new SluiceError('SINK_UNAVAILABLE', `the store says that it has ${key} in bucket ${bucket}, and has not`)
    }
    const error = s3Error(head.reason, { operation: 'HeadObject', bucket })
    if (error.retryable) throw error
    return
  }
  const { ContentLength: length = bytes } = head.value
  if (length === bytes) return
  throw new SluiceError(
    'SINK_REFUSED',
    `${key} in bucket ${bucket} is there with ${length} bytes, ${bytes} are committed: somebody else has put it; move it away`,
  )
}

async function abortEarlier(client: S3Client, destination: S3Destination, { resumeToken }: Attempt): Promise<void> {
  if (typeof resumeToken !== 'string') return
  // It may be gone, or never have been: the bucket's lifecycle rule is what clears the rest.
  await Promise.allSettled([
    client.send(new AbortMultipartUploadCommand({ ...bucketOf(destination), UploadId: resumeToken })),
  ])
}

/**
 * The client as `Upload` uses it, but that calls end with our signal, failures are ours and name their operation, and the id of an upload is
 * kept before its first part is sent.
 */
function watched(client: S3Client, { bucket }: S3Destination, signal: AbortSignal, attempt: Attempt): S3Client {
  const send = async (command: Command): Promise<unknown> => {
    const operation = command.constructor.name.replace(/Command$/, '')
    // What is left behind is cleared away, even when all else is given up.
    const options = operation === 'AbortMultipartUpload' ? {} : { abortSignal: signal }
    try {
      const output = await client.send(command, options)
      if ('UploadId' in output && operation === 'CreateMultipartUpload' && output.UploadId !== undefined) {
        await attempt.saveResumeToken(output.UploadId)
      }
      return output
    } catch (error) {
      if (s3Facts(error).status === 412) throw new AlreadyThere()
      throw s3Error(error, { operation, bucket })
    }
  }
  return Object.create(client, { send: { value: send } })
}

type Command = Parameters<S3Client['send']>[0]
