import { createReadStream } from 'node:fs'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { Attempt, ObjectFacts, OutboxFile } from '../../component.ts'
import { notS3, s3Error } from '../../s3/errors.ts'
import { withKnownHost } from '../../s3/diagnosis.ts'
import { isAfterLostAnswer } from '../../s3/lost-answers.ts'
import type { S3Destination } from './destination.ts'
import { objectParams } from './params.ts'
import { storageParams } from './storage.ts'
import { confirm, lookUp } from './look-up.ts'
import { AlreadyExists, OutcomeUnknown, PUBLISHING, publishingError } from './publishing.ts'
import { UnfinishedUploads } from './unfinished-uploads.ts'

export interface UploadOptions {
  readonly client: S3Client
  readonly file: OutboxFile
  readonly destination: S3Destination
  readonly signal: AbortSignal
  readonly attempt: Attempt
}

/**
 * Uploads a file as an object, in parts if it is larger than `partSize`. Idempotent: the key
 * contains a hash of the content, so an existing object with this key is the same object.
 *
 * An earlier attempt whose outcome is unknown may have made the object visible: the store is asked
 * before anything is aborted or sent, because on some stores an abort removes the finished object.
 * Before it returns, the store is asked whether it has the object. Where this identity may not read,
 * both are skipped, and the answers of the store are trusted.
 * @throws SluiceError SINK_UNAVAILABLE, also if the object does not exist after all; SINK_REFUSED,
 *   also if it exists with another length, and if the host of a store that was never reached does not
 *   exist.
 */
export async function uploadObject(options: UploadOptions): Promise<void> {
  try {
    await upload(options)
  } catch (error) {
    throw options.attempt.storeIsKnown ? error : withKnownHost(error)
  }
}

async function upload(options: UploadOptions): Promise<void> {
  const { client, file, destination, signal, attempt } = options
  const unfinished = new UnfinishedUploads(client, destination, attempt)
  if (attempt.isRepeated) {
    if ((await lookUp(options)) === 'visible') return
    await (isInParts(file, destination) ? unfinished.abortAll(signal) : unfinished.abortNoted(signal))
  }
  await sendFile(options, unfinished)
  await confirm(options)
}

/** True if the object is uploaded in parts; one that is staged always is. */
export function isInParts({ bytes, isStaged }: ObjectFacts, { partSize }: S3Destination): boolean {
  return isStaged === true || bytes > partSize
}

/** Returns when the store says that it has the object. */
async function sendFile(options: UploadOptions, unfinished: UnfinishedUploads): Promise<void> {
  const { file, destination, signal } = options
  const body = createReadStream(file.path, { highWaterMark: FILE_CHUNK })
  const transfer = new Upload({
    client: wrap(options, unfinished),
    partSize: destination.partSize,
    // An upload holds about three parts more than this in memory.
    queueSize: 2,
    // An upload whose outcome is unknown must not be aborted.
    leavePartsOnError: true,
    params: {
      ...objectParams(destination),
      ...storageParams(destination),
      Body: body,
      ContentLength: file.bytes,
      IfNoneMatch: '*',
    },
  })
  try {
    await transfer.done()
  } catch (error) {
    if (error instanceof AlreadyExists) {
      // A store that answers 304 here has been seen to remove the object when the upload is aborted.
      if (error.status === 412) await unfinished.abortNoted(signal)
      return
    }
    if (error instanceof OutcomeUnknown) {
      if (signal.aborted) throw error.failure
      const presence = await lookUp(options)
      if (presence === 'visible') return
      if (presence === 'absent') await unfinished.abortNoted(signal)
      throw error.failure
    }
    await unfinished.abortNoted(signal)
    throw s3Error(error, { operation: 'Upload', bucket: destination.bucket })
  } finally {
    body.destroy()
  }
}

const FILE_CHUNK = 1 << 20

/**
 * The client that `Upload` uses. Its calls end with our signal, its errors are ours and name the
 * operation, and the id of a multipart upload is noted before the first part is sent.
 */
function wrap({ client, destination, signal }: UploadOptions, unfinished: UnfinishedUploads): S3Client {
  const { bucket } = destination
  const send = async (command: Command): Promise<unknown> => {
    const operation = command.constructor.name.replace(/Command$/, '')
    try {
      const output = await client.send(command, { abortSignal: signal })
      if (operation === 'CreateMultipartUpload') {
        const id = 'UploadId' in output ? output.UploadId : undefined
        if (id === undefined) throw notS3({ operation, bucket })
        await unfinished.add(id)
        // The answer to an earlier request was lost, and perhaps an upload with it.
        if (isAfterLostAnswer(output)) await unfinished.abortAll(signal, id)
      } else if (PUBLISHING.has(operation) && !('ETag' in output && output.ETag)) {
        throw notS3({ operation, bucket })
      }
      return output
    } catch (error) {
      throw PUBLISHING.has(operation)
        ? publishingError(error, operation, bucket)
        : s3Error(error, { operation, bucket })
    }
  }
  return Object.create(client, { send: { value: send } })
}

type Command = Parameters<S3Client['send']>[0]
