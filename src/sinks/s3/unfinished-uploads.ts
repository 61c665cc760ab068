import { AbortMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { Attempt } from '../../component.ts'
import { s3Facts } from '../../s3/errors.ts'
import { cleaning } from './cleaning.ts'
import type { S3Destination } from './destination.ts'
import { bucketParams, objectParams } from './params.ts'

/**
 * The unfinished multipart uploads of one object. The key names the pipeline, the generation of its
 * state and the content, so every upload of this key is ours. Used for objects whose bytes are in
 * the outbox: what a worker has staged under the same key then has no use any more.
 *
 * The resume token of the attempt is the list of ids that may be unfinished. An id is removed from
 * it when the store confirms the abort. An upload whose id never arrived (a process was killed, or
 * the answer was lost) is found by a list, if that is allowed. Failures are ignored: a lifecycle
 * rule of the bucket removes the rest.
 */
export class UnfinishedUploads {
  readonly #client: S3Client
  readonly #destination: S3Destination
  readonly #attempt: Attempt

  constructor(client: S3Client, destination: S3Destination, attempt: Attempt) {
    this.#client = client
    this.#destination = destination
    this.#attempt = attempt
  }

  /** Durable when it resolves: call it before the first part is sent. */
  async add(id: string): Promise<void> {
    await this.#attempt.saveResumeToken([...this.#noted(), id])
  }

  /** Aborts the uploads that are noted. */
  async abortNoted(signal: AbortSignal): Promise<void> {
    await this.#abort(this.#noted(), signal)
  }

  /** Aborts the uploads that the store lists and those that are noted, but not `except`. */
  async abortAll(signal: AbortSignal, except?: string): Promise<void> {
    const ids = new Set([...this.#noted(), ...(await uploadsOf(this.#client, this.#destination, signal))])
    if (except !== undefined) ids.delete(except)
    await this.#abort([...ids], signal)
  }

  #noted(): string[] {
    return [this.#attempt.resumeToken ?? []].flat().filter((id) => typeof id === 'string')
  }

  async #abort(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return
    const results = await Promise.all(ids.map((id) => this.#isGone(id, signal)))
    const gone = new Set(ids.filter((_id, index) => results[index]))
    const noted = this.#noted()
    const left = noted.filter((id) => !gone.has(id))
    if (left.length < noted.length) await this.#attempt.saveResumeToken(left)
  }

  /** The parts of an upload are removed even if the run ends, but the run does not wait long. */
  async #isGone(id: string, signal: AbortSignal): Promise<boolean> {
    const request = new AbortMultipartUploadCommand({ ...objectParams(this.#destination), UploadId: id })
    const abort = cleaning(signal, (limit) => this.#client.send(request, { abortSignal: limit }))
    const [aborted] = await Promise.allSettled([abort])
    return aborted.status === 'fulfilled' || s3Facts(aborted.reason).code === 'NoSuchUpload'
  }
}

/** The ids of the uploads of this key, as far as lists are allowed. Never rejects. */
async function uploadsOf(client: S3Client, destination: S3Destination, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = []
  for await (const { key, id } of listUploads(client, destination, signal)) {
    // Keys are sorted: after the first longer one, none is ours.
    if (key !== destination.key) break
    ids.push(id)
  }
  return ids
}

/** The unfinished uploads whose key starts with that of the destination, as far as lists are allowed. Never rejects. */
export async function* listUploads(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): AsyncGenerator<{ readonly key: string; readonly id: string }> {
  let next: { readonly KeyMarker?: string | undefined; readonly UploadIdMarker?: string | undefined } = {}
  for (;;) {
    const request = new ListMultipartUploadsCommand({
      ...bucketParams(destination),
      Prefix: destination.key,
      ...next,
    })
    const [page] = await Promise.allSettled([client.send(request, { abortSignal: signal })])
    if (page.status === 'rejected') return
    const { Uploads: uploads = [], IsTruncated, NextKeyMarker, NextUploadIdMarker } = page.value
    for (const { Key: key, UploadId: id } of uploads) if (key !== undefined && id !== undefined) yield { key, id }
    const isSame = NextKeyMarker === next.KeyMarker && NextUploadIdMarker === next.UploadIdMarker
    if (IsTruncated !== true || NextKeyMarker === undefined || isSame) return
    next = { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker }
  }
}

/**
 * Aborts the uploads of a key that nobody else uses, but not `except`. For an upload whose id was in
 * an answer that was lost. Failures are ignored.
 */
export async function abortLost(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
  except?: string,
): Promise<void> {
  const ids = await uploadsOf(client, destination, signal)
  const aborts = ids
    .filter((id) => id !== except)
    .map((UploadId) => {
      const request = new AbortMultipartUploadCommand({ ...objectParams(destination), UploadId })
      return client.send(request, { abortSignal: signal })
    })
  await Promise.allSettled(aborts)
}
