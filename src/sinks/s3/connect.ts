import { randomUUID } from 'node:crypto'
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ConnectionCheck } from '../../component.ts'
import { withKnownHost } from '../../s3/diagnosis.ts'
import { notS3, s3Error, s3Facts } from '../../s3/errors.ts'
import type { S3Destination } from './destination.ts'
import { objectParams, storageOptions } from './params.ts'

/**
 * Checks the rights that writing needs, and leaves nothing: a multipart upload is created, gets a
 * part, and is aborted. Nothing else is safe everywhere: some stores keep an object that is put
 * with a wrong digest or a false condition. S3 grants creating an upload, sending its parts and
 * putting an object by the same right; of other stores, the last one remains unknown.
 * @param destination its key is the prefix to write below.
 */
export async function* checkWriteAccess(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): AsyncGenerator<ConnectionCheck, void> {
  const { bucket, key: prefix } = destination
  const named = { ...destination, key: `${prefix}sluice-check-${randomUUID()}` }
  const below = `in ${bucket}${prefix === '' ? '' : ` below ${prefix}`}`

  let uploadId: string | undefined
  yield await check({ what: `s3:PutObject ${below}`, found: FOUND, bucket }, async (during) => {
    during('CreateMultipartUpload')
    const request = new CreateMultipartUploadCommand({ ...objectParams(named), ...storageOptions(named) })
    const created = await client.send(request, { abortSignal: signal })
    uploadId = created.UploadId
    if (uploadId === undefined) throw notS3({ operation: 'CreateMultipartUpload', bucket })
    during('UploadPart')
    const part = { ...objectParams(named), UploadId: uploadId, PartNumber: 1, Body: '\n' }
    const { ETag: etag } = await client.send(new UploadPartCommand(part), { abortSignal: signal })
    if (etag === undefined) throw notS3({ operation: 'UploadPart', bucket })
  })
  if (uploadId === undefined) return

  yield await check(
    { what: `s3:AbortMultipartUpload ${below}`, found: 'allowed', bucket, isOptional: true },
    async (during) => {
      during('AbortMultipartUpload')
      const request = new AbortMultipartUploadCommand({ ...objectParams(named), UploadId: uploadId })
      await client.send(request, { abortSignal: AbortSignal.timeout(ABORT_TIMEOUT) })
    },
  )
}

const FOUND = 'allowed (an upload was created, got a part and was not finished; no object was put)'
/** Milliseconds. The upload is aborted even if the check was interrupted. */
const ABORT_TIMEOUT = 10_000

interface CheckOptions {
  readonly what: string
  readonly found: string
  readonly bucket: string
  readonly isOptional?: boolean
}

async function check(
  { what, found, bucket, isOptional }: CheckOptions,
  call: (during: (operation: string) => void) => Promise<void>,
): Promise<ConnectionCheck> {
  let operation = ''
  try {
    await call((name) => (operation = name))
    return { what, found }
  } catch (error) {
    // A store without uploads in parts still takes objects smaller than `partSize`.
    const isUnknown = s3Facts(error).status === 501
    const failure = s3Error(withKnownHost(error), { operation, bucket })
    return { what, error: failure, isOptional: isOptional === true || isUnknown }
  }
}
