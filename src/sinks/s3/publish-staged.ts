import { CompleteMultipartUploadCommand, ListPartsCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { Attempt, ObjectFacts } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { withKnownHost } from '../../s3/diagnosis.ts'
import { notS3, s3Error, s3Facts } from '../../s3/errors.ts'
import type { S3Destination } from './destination.ts'
import { discardUpload } from './discard.ts'
import { confirm, lookUp } from './look-up.ts'
import { objectParams } from './params.ts'
import { AlreadyExists, OutcomeUnknown, publishingError } from './publishing.ts'
import type { StagedUpload } from './staged-upload.ts'

export interface PublishStagedOptions {
  readonly client: S3Client
  readonly staged: StagedUpload
  readonly file: ObjectFacts
  readonly destination: S3Destination
  readonly signal: AbortSignal
  readonly attempt: Attempt
}

/**
 * Completes the upload of a staged object, on the condition that no object has its key. By the rules
 * of `uploadObject`: an existing object is this one, the outcome of an earlier attempt is asked for
 * first, and the store confirms the object in the end.
 *
 * The upload is gone when the store says so of the upload, and after that of the object. In this
 * order: otherwise another process could complete the upload between the two questions.
 * @throws SluiceError SINK_UNAVAILABLE, also if the outcome is unknown; SINK_REFUSED, also if the
 *   upload is gone and this identity may not ask for the object
 */
export async function publishStagedUpload(options: PublishStagedOptions): Promise<'published' | 'gone'> {
  const { attempt } = options
  try {
    if (attempt.isRepeated && (await lookUp(options)) === 'visible') return 'published'
    if ((await complete(options)) === 'gone') return 'gone'
    await confirm(options)
    return 'published'
  } catch (error) {
    throw attempt.storeIsKnown ? error : withKnownHost(error)
  }
}

async function complete(options: PublishStagedOptions): Promise<'published' | 'gone'> {
  const { client, staged, destination, signal } = options
  const call = { operation: 'CompleteMultipartUpload', bucket: destination.bucket }
  const request = new CompleteMultipartUploadCommand({
    ...uploadParams(options),
    MultipartUpload: {
      Parts: staged.parts.map(({ etag, crc32 }, index) => ({
        PartNumber: index + 1,
        ETag: etag,
        ...(crc32 !== undefined && { ChecksumCRC32: crc32 }),
      })),
    },
    IfNoneMatch: '*',
  })
  try {
    const { ETag: etag } = await client.send(request, { abortSignal: signal })
    if (!etag) throw notS3(call)
    return 'published'
  } catch (error) {
    const failure = publishingError(error, call.operation, call.bucket)
    if (failure instanceof AlreadyExists) return replaced(options)
    const { code } = s3Facts(error)
    const inDoubt = failure instanceof OutcomeUnknown
    // What the store says of the parts is final: no part is ever sent again.
    if ((!inDoubt && !LACKS_PARTS.has(code)) || signal.aborted) throw inDoubt ? failure.failure : failure
    return afterDoubt(options, inDoubt ? failure.failure : s3Error(error, call), code)
  }
}

/** Codes of a Complete whose parts are not those that the store has. */
const LACKS_PARTS: ReadonlySet<string> = new Set(['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall'])
/** Codes of a Complete whose upload does not exist, or was completed before. */
const IS_GONE: ReadonlySet<string> = new Set(['NoSuchUpload', 'NoSuchKey'])

/** The object was published from another upload: ours has no use any more. */
async function replaced({ client, staged, destination, signal }: PublishStagedOptions): Promise<'published'> {
  await discardUpload({ client, destination, uploadId: staged.uploadId, signal }).catch(() => false)
  return 'published'
}

/** What the store has after a Complete that may have taken effect, or whose upload is not whole. */
async function afterDoubt(
  options: PublishStagedOptions,
  failure: SluiceError,
  code: string,
): Promise<'published' | 'gone'> {
  const { client, staged, destination, signal } = options
  const isSaidToBeLost = IS_GONE.has(code) || LACKS_PARTS.has(code)
  const left = isSaidToBeLost ? await uploadLeft(options) : 'whole'
  const presence = await lookUp(options)
  if (presence === 'visible') return 'published'
  if (left === 'whole') throw failure
  if (presence === 'unknown') throw unproved(destination)
  if (left !== 'absent') await discardUpload({ client, destination, uploadId: staged.uploadId, signal })
  return 'gone'
}

/**
 * What the store has of the upload. `damaged`: other parts than were sent, so it can never be
 * completed. `unknown`: this identity may not ask (`s3:ListMultipartUploadParts`), and the answer to
 * Complete is all that is known.
 */
async function uploadLeft(options: PublishStagedOptions): Promise<'whole' | 'damaged' | 'absent' | 'unknown'> {
  const { client, staged, destination, signal } = options
  const call = { operation: 'ListParts', bucket: destination.bucket }
  const found = new Map<number, string>()
  let marker: string | undefined
  do {
    const request = { ...uploadParams(options), ...(marker !== undefined && { PartNumberMarker: marker }) }
    const [page] = await Promise.allSettled([client.send(new ListPartsCommand(request), { abortSignal: signal })])
    if (page.status === 'rejected') {
      const { code, status } = s3Facts(page.reason)
      if (status === 404 && code === 'NoSuchUpload') return 'absent'
      const failure = s3Error(page.reason, call)
      if (failure.retryable) throw failure
      return 'unknown'
    }
    const { Parts: parts = [], IsTruncated, NextPartNumberMarker } = page.value
    for (const { PartNumber: number = 0, ETag: etag = '' } of parts) found.set(number, bare(etag))
    marker = IsTruncated === true && NextPartNumberMarker !== marker ? NextPartNumberMarker : undefined
  } while (marker !== undefined)
  return staged.parts.every(({ etag }, index) => found.get(index + 1) === bare(etag)) ? 'whole' : 'damaged'
}

function bare(etag: string): string {
  return etag.replaceAll('"', '')
}

function uploadParams({ destination, staged }: PublishStagedOptions) {
  return { ...objectParams(destination), UploadId: staged.uploadId }
}

function unproved({ bucket, key }: S3Destination): SluiceError {
  return new SluiceError(
    'SINK_REFUSED',
    `the staged upload of ${key} in bucket ${bucket} is gone, and these credentials may not see whether the object exists: grant s3:GetObject and s3:ListBucket, and start again`,
  )
}
