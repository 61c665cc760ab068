import { randomUUID } from 'node:crypto'
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ConnectionCheck } from '../../component.ts'
import { s3Error, s3Facts } from '../../s3/errors.ts'
import { bucketOf, howOf } from './upload.ts'
import type { S3Destination } from './upload.ts'

/**
 * Tries each right that writing needs, and leaves nothing in the bucket: the object that is put comes with a digest that is not its own, which
 * a store finds out only behind the question whether we may; the upload in parts is given up before its first part.
 * @param destination Its key is the prefix to write below.
 */
export async function* tryWriting(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): AsyncGenerator<ConnectionCheck, void> {
  const { bucket, key: prefix } = destination
  const named = { ...destination, key: `${prefix}sluice-check-${randomUUID()}` }
  const below = `in ${bucket}${prefix === '' ? '' : ` below ${prefix}`}`

  const put = { what: `s3:PutObject ${below}`, operation: 'PutObject' }
  yield await tried(put, bucket, async () => {
    const request = { ...bucketOf(named), ...howOf(named), Body: 'x', ContentMD5: WRONG_DIGEST, IfNoneMatch: '*' }
    await client.send(new PutObjectCommand(request), { abortSignal: signal }).catch((error: unknown) => {
      if (!REFUSES_DIGEST.has(s3Facts(error).code)) throw error
    })
  })

  let uploadId: string | undefined
  const create = { what: `s3:PutObject in parts ${below}`, operation: 'CreateMultipartUpload' }
  yield await tried(create, bucket, async () => {
    const request = new CreateMultipartUploadCommand({ ...bucketOf(named), ...howOf(named) })
    const { UploadId } = await client.send(request, { abortSignal: signal })
    uploadId = UploadId
  })
  if (uploadId === undefined) return

  const abort = { what: `s3:AbortMultipartUpload ${below}`, operation: 'AbortMultipartUpload' }
  yield await tried(abort, bucket, async () => {
    await client.send(new AbortMultipartUploadCommand({ ...bucketOf(named), UploadId: uploadId }))
  })
}

/** MD5 of nothing, where the body is something. */
const WRONG_DIGEST = '1B2M2Y8AsgTpgAmY7PhCfg=='
const REFUSES_DIGEST: ReadonlySet<string> = new Set(['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch'])

async function tried(
  { what, operation }: { readonly what: string; readonly operation: string },
  bucket: string,
  attempt: () => Promise<void>,
): Promise<ConnectionCheck> {
  try {
    await attempt()
    return { what, found: 'allowed' }
  } catch (error) {
    return { what, error: s3Error(error, { operation, bucket }) }
  }
}
