import { randomUUID } from 'node:crypto'
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ConnectionCheck } from '../../component.ts'
import { s3Error, s3Facts } from '../../s3/errors.ts'
import { objectParams, storageOptions } from './upload.ts'
import type { S3Destination } from './upload.ts'

/**
 * Checks each right that writing needs, and leaves nothing in the S3 bucket. The put has a wrong
 * content digest, which a store checks after the rights. The multipart upload is aborted before its
 * first part.
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

  const put = { what: `s3:PutObject ${below}`, operation: 'PutObject' }
  yield await check(put, bucket, async () => {
    const request = {
      ...objectParams(named),
      ...storageOptions(named),
      Body: 'x',
      ContentMD5: WRONG_DIGEST,
      IfNoneMatch: '*',
    }
    await client.send(new PutObjectCommand(request), { abortSignal: signal }).catch((error: unknown) => {
      if (!WRONG_DIGEST_ERRORS.has(s3Facts(error).code)) throw error
    })
  })

  let uploadId: string | undefined
  const create = { what: `s3:PutObject in parts ${below}`, operation: 'CreateMultipartUpload' }
  yield await check(create, bucket, async () => {
    const request = new CreateMultipartUploadCommand({ ...objectParams(named), ...storageOptions(named) })
    const { UploadId } = await client.send(request, { abortSignal: signal })
    uploadId = UploadId
  })
  if (uploadId === undefined) return

  const abort = { what: `s3:AbortMultipartUpload ${below}`, operation: 'AbortMultipartUpload' }
  yield await check(abort, bucket, async () => {
    await client.send(new AbortMultipartUploadCommand({ ...objectParams(named), UploadId: uploadId }))
  })
}

/** The MD5 of an empty body. */
const WRONG_DIGEST = '1B2M2Y8AsgTpgAmY7PhCfg=='
const WRONG_DIGEST_ERRORS: ReadonlySet<string> = new Set(['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch'])

async function check(
  { what, operation }: { readonly what: string; readonly operation: string },
  bucket: string,
  call: () => Promise<void>,
): Promise<ConnectionCheck> {
  try {
    await call()
    return { what, found: 'allowed' }
  } catch (error) {
    return { what, error: s3Error(error, { operation, bucket }) }
  }
}
