import { randomUUID } from 'node:crypto'
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ConnectionCheck } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { nameOf, proxyFor } from '../../network/proxy.ts'
import { withKnownHost } from '../../s3/diagnosis.ts'
import { isAfterLostAnswer } from '../../s3/lost-answers.ts'
import { notS3, s3Error, s3Facts } from '../../s3/errors.ts'
import { anySignal } from '../../signals.ts'
import { SECOND } from '../../time.ts'
import type { S3Destination } from './destination.ts'
import { checkLifecycle } from './lifecycle.ts'
import { objectParams } from './params.ts'
import { storageParams } from './storage.ts'
import { CHECK } from './trials.ts'
import { abortLost } from './unfinished-uploads.ts'

/**
 * Checks the rights that writing needs, and leaves nothing: a multipart upload is created, gets a
 * part, and is aborted. Nothing else is safe everywhere: some stores keep an object that is put
 * with a wrong digest or a false condition. S3 grants creating an upload, sending its parts and
 * putting an object by the same right; of other stores, the last one remains unknown. Says also
 * what the bucket does with unfinished uploads, if that may be asked.
 * @param destination its key is the prefix to write below.
 */
export async function* checkWriteAccess(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): AsyncGenerator<ConnectionCheck, void> {
  const { bucket, key: prefix } = destination
  const named = { ...destination, key: `${prefix}${CHECK}${randomUUID()}` }
  const below = `in ${bucket}${prefix === '' ? '' : ` below ${prefix}`}`
  const url = new URL(destination.endpoint ?? `https://s3.${destination.region}.amazonaws.com`)

  let uploadId: string | undefined
  const put = await check({ what: `s3:PutObject ${below}`, found: FOUND, bucket, url, signal }, async (during) => {
    during('CreateMultipartUpload')
    const request = new CreateMultipartUploadCommand({ ...objectParams(named), ...storageParams(named) })
    const created = await client.send(request, { abortSignal: signal })
    uploadId = created.UploadId
    if (isAfterLostAnswer(created)) await abortLost(client, named, signal, uploadId)
    if (uploadId === undefined) throw notS3({ operation: 'CreateMultipartUpload', bucket })
    during('UploadPart')
    const part = { ...objectParams(named), UploadId: uploadId, PartNumber: 1, Body: '\n' }
    const { ETag: etag } = await client.send(new UploadPartCommand(part), { abortSignal: signal })
    if (etag === undefined) throw notS3({ operation: 'UploadPart', bucket })
  })
  if (uploadId === undefined && put.error?.retryable === true && !signal.aborted) {
    const limit = anySignal(signal, AbortSignal.timeout(ABORT_TIMEOUT))
    await Promise.allSettled([Promise.race([abortLost(client, named, limit), rejectOn(limit)])])
  }
  yield put
  if (uploadId === undefined) return

  const last = AbortSignal.timeout(ABORT_TIMEOUT)
  yield await check(
    { what: `s3:AbortMultipartUpload ${below}`, found: 'allowed', bucket, url, signal: last, isOptional: true },
    async (during) => {
      during('AbortMultipartUpload')
      const request = new AbortMultipartUploadCommand({ ...objectParams(named), UploadId: uploadId })
      await client.send(request, { abortSignal: last })
    },
  )
  const rule = await checkLifecycle(client, destination, anySignal(signal, last))
  if (rule !== undefined) yield rule
}

const FOUND = 'allowed (an upload was created, got a part and was not finished; no object was put)'
/** Milliseconds. The upload is aborted even if the check was interrupted. */
const ABORT_TIMEOUT = 10_000

interface CheckOptions {
  readonly what: string
  readonly found: string
  readonly bucket: string
  /** Where the requests go. */
  readonly url: URL
  /** Ends the check. */
  readonly signal: AbortSignal
  readonly isOptional?: boolean
}

async function check(
  { what, found, bucket, url, signal, isOptional }: CheckOptions,
  call: (during: (operation: string) => void) => Promise<void>,
): Promise<ConnectionCheck> {
  let operation = ''
  const start = performance.now()
  try {
    await Promise.race([call((name) => (operation = name)), rejectOn(signal)])
    return { what, found }
  } catch (error) {
    if (signal.aborted) {
      const seconds = Math.round((performance.now() - start) / SECOND)
      const proxy = proxyFor(url)
      const through = proxy === undefined ? '' : `, through the proxy ${nameOf(proxy)}`
      const message = `no response to ${operation} on bucket ${bucket} within ${seconds} s${through}`
      return { what, error: new SluiceError('SINK_UNAVAILABLE', message), isOptional: isOptional === true }
    }
    // A store without uploads in parts still takes objects smaller than `partSize`.
    const isUnknown = s3Facts(error).status === 501
    const failure = s3Error(withKnownHost(error), { operation, bucket })
    return { what, error: failure, isOptional: isOptional === true || isUnknown }
  }
}

/** The SDK obtains credentials without a signal. */
function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = () => reject(new Error('aborted'))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}
