import { AbortMultipartUploadCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { s3Error, s3Facts } from '../../s3/errors.ts'
import { cleaning } from './cleaning.ts'
import { isAmazon } from './destination.ts'
import type { S3Destination } from './destination.ts'
import { presenceOf } from './look-up.ts'
import { objectParams } from './params.ts'
import { isTrial } from './trials.ts'
import { listUploads } from './unfinished-uploads.ts'

export interface DiscardOptions {
  readonly client: S3Client
  readonly destination: S3Destination
  readonly uploadId: string
  readonly signal: AbortSignal
}

/**
 * Aborts an upload that nobody will complete. Returns true when it does not exist any more.
 *
 * On some stores an abort removes the finished object of the same key. Several uploads of a key are
 * normal here: a worker died or was slow, and the shard ran again. So the store is asked for the
 * object first, and unless the store is Amazon S3, the upload of a visible object stays for the
 * bucket's lifecycle rule; so does one whose object cannot be asked for. On such a store, an object
 * that becomes visible between the question and the abort would be lost: none is known but a mock.
 *
 * The upload is aborted even if the signal aborts, but the caller does not wait long then.
 * @throws SluiceError SINK_UNAVAILABLE, SINK_REFUSED
 */
export function discardUpload({ client, destination, uploadId, signal }: DiscardOptions): Promise<boolean> {
  return cleaning(signal, async (limit) => {
    if (!isAmazon(destination)) {
      const { presence } = await presenceOf(client, destination, limit)
      if (presence !== 'absent') return false
    }
    const request = new AbortMultipartUploadCommand({ ...objectParams(destination), UploadId: uploadId })
    const [aborted] = await Promise.allSettled([client.send(request, { abortSignal: limit })])
    if (aborted.status === 'fulfilled' || s3Facts(aborted.reason).code === 'NoSuchUpload') return true
    throw s3Error(aborted.reason, { operation: 'AbortMultipartUpload', bucket: destination.bucket })
  })
}

interface SweepOptions {
  readonly client: S3Client
  /** Its key is the prefix. */
  readonly destination: S3Destination
  readonly isDead: (key: string) => boolean
  readonly signal: AbortSignal
}

/**
 * Discards the uploads of dead keys below a prefix, and those of processes that were killed while they
 * tried the store, as far as lists are allowed. A trial that is under way then fails in a way that is
 * repeated. Returns how many are gone.
 */
export async function sweepUploads({ client, destination, isDead, signal }: SweepOptions): Promise<number> {
  let gone = 0
  for await (const { key, id } of listUploads(client, destination, signal)) {
    if (signal.aborted) break
    if (!isDead(key) && !isTrial(key)) continue
    const upload = { client, destination: { ...destination, key }, uploadId: id, signal }
    if (await discardUpload(upload).catch(() => false)) gone++
  }
  return gone
}
