import { setTimeout as sleep } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import { notS3, s3Facts } from '../../s3/errors.ts'
import { SECOND } from '../../time.ts'
import { asSourceError, requestParams, sourceError, untilAborted } from './store.ts'
import type { Store } from './store.ts'

/** What identifies the bytes of an object. */
export interface ObjectIdentity {
  readonly key: string
  /** In double quotes; undefined if the store lists none: set by the first response. */
  etag: string | undefined
  readonly bytes: number
  /** Bytes of the whole object, if only its first `bytes` are read. */
  readonly size?: number
  /** Set by configuration, or by the first response from a versioned bucket. */
  version?: string | undefined
}

/** `s3://bucket/key`, for messages. */
export function nameOf({ bucket }: Pick<Store, 'bucket'>, key: string): string {
  return `s3://${bucket}/${key}`
}

/**
 * The bytes of an object from `start` to before `end`. A response that breaks is resumed where it
 * broke. The object must not have changed: each request has the condition `If-Match`, and a version
 * of a versioned bucket is read to its end even if there is a newer one.
 * @throws SluiceError INPUT_CORRUPT if the object has changed; FILE_NOT_FOUND if it is gone or
 *   archived; SOURCE_REFUSED, SOURCE_UNAVAILABLE
 */
export async function getRange(
  store: Store,
  object: ObjectIdentity,
  { start, end, signal }: { readonly start: number; readonly end: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  let filled = 0
  for (let failures = 0; ;) {
    const before = filled
    const failure = await receive(store, object, { start: start + filled, end, signal }, (chunk) => {
      if (filled + chunk.length > bytes.length) throw tooLong(store, object)
      filled += chunk.copy(bytes, filled)
    })
    if (filled === bytes.length) return bytes
    // A trickle is no progress.
    failures = filled - before >= PROGRESS_BYTES ? 1 : failures + 1
    if (failures >= ATTEMPTS) throw failure
    await sleep(backoff(failures), undefined, { signal })
  }
}

/** Attempts without progress. Each sends a request up to eight times. */
const ATTEMPTS = 6
const PROGRESS_BYTES = 64 * 1024

function backoff(failures: number): number {
  return Math.min(10 * SECOND, 100 * 2 ** failures) * (0.5 + Math.random() / 2)
}

interface Receiving {
  readonly start: number
  readonly end: number
  readonly signal: AbortSignal
}

/**
 * Sends one request and takes what comes. Returns why it ended before the end, as a failure that
 * may not occur again; throws others.
 */
async function receive(
  store: Store,
  object: ObjectIdentity,
  { start, end, signal }: Receiving,
  take: (chunk: Buffer) => void,
): Promise<SluiceError> {
  // Not `AbortSignal.any`: the long-lived signal would keep a reference for each request.
  const ending = new AbortController()
  const onAbort = (): void => ending.abort(signal.reason)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    ending.abort()
  }, store.timeout * DEADLINE_FACTOR)
  let body: Readable | undefined
  try {
    body = await open(store, object, { start, end, signal: ending.signal })
    for await (const chunk of body as AsyncIterable<Buffer>) take(chunk)
    return broken(store, object, 'the response ended early')
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (isLate) return broken(store, object, 'the response took too long')
    if (error instanceof SluiceError) throw error
    return broken(store, object, s3Facts(error).code)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    body?.destroy()
  }
}

/** A range is at most 4 MiB: with the default timeout, 14 KB/s are enough. */
const DEADLINE_FACTOR = 5

async function open(store: Store, object: ObjectIdentity, receiving: Receiving): Promise<Readable> {
  const { start, end, signal } = receiving
  const isPinned = object.version !== undefined
  const command = new GetObjectCommand({
    ...requestParams(store),
    Key: object.key,
    Range: `bytes=${start}-${end - 1}`,
    ...(object.etag !== undefined && { IfMatch: object.etag }),
    ...(isPinned && { VersionId: object.version }),
  })
  let response: GetObjectCommandOutput
  try {
    response = await untilAborted(store.client.send(command, { abortSignal: signal }), signal)
  } catch (error) {
    if (signal.aborted) throw error
    throw refusal(error, store, object)
  }
  const { Body: body, ETag: etag, ContentRange: range, VersionId: version } = response
  if (!(body instanceof Readable)) throw asSourceError(notS3({ operation: 'GetObject', bucket: store.bucket }))
  const problem = problemOf(store, object, { etag, range }, start)
  if (problem !== undefined) {
    body.destroy()
    throw problem
  }
  object.etag ??= etag
  if (version !== undefined && version !== 'null') object.version ??= version
  return body
}

/** A store may ignore a condition or a range. */
function problemOf(
  store: Store,
  object: ObjectIdentity,
  { etag, range }: { readonly etag: string | undefined; readonly range: string | undefined },
  start: number,
): SluiceError | undefined {
  if (object.etag !== undefined && etag !== undefined && etag !== object.etag) return changed(store, object)
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? '') ?? []
  if (first === undefined) {
    // Without a range the response is the whole object.
    if (start === 0) return undefined
    return new SluiceError(
      'SOURCE_REFUSED',
      `the store ignores the range of a request for ${nameOf(store, object.key)}`,
      {
        hint: 'read it with another tool first; the S3 API demands ranges',
      },
    )
  }
  if (Number(total) !== (object.size ?? object.bytes)) return changed(store, object)
  return Number(first) === start ? undefined : broken(store, object, 'another range was sent')
}

function refusal(error: unknown, store: Store, object: ObjectIdentity): SluiceError {
  const { code, status } = s3Facts(error)
  const name = nameOf(store, object.key)
  if (code === 'PreconditionFailed' || status === 412 || status === 416) return changed(store, object)
  if (code === 'NoSuchKey' || code === 'NoSuchVersion') {
    return new SluiceError('FILE_NOT_FOUND', `"${name}" does not exist any more`, {
      hint: 'it was deleted after it was listed: run again without it, or use --keep-going',
    })
  }
  if (code === 'AccessDenied') {
    const { message } = sourceError(error, object.version === undefined ? 'GetObject' : 'GetObjectVersion', store)
    return new SluiceError('FILE_NOT_FOUND', `"${name}" cannot be read: ${message}`)
  }
  if (code === 'InvalidObjectState') {
    return new SluiceError('FILE_NOT_FOUND', `"${name}" is archived and cannot be read`, {
      hint: 'restore it (aws s3api restore-object) and run again, limit `path` or `since`, or use --keep-going to read the others',
    })
  }
  return sourceError(error, object.version === undefined ? 'GetObject' : 'GetObjectVersion', store)
}

/** For an object that is not the one that was listed, or that a position belongs to. */
function changed(store: Pick<Store, 'bucket'>, { key }: Pick<ObjectIdentity, 'key'>): SluiceError {
  return new SluiceError('INPUT_CORRUPT', `"${nameOf(store, key)}" was replaced while it was read`, {
    hint: 'run again: the new object is read from its start, and `dedup` drops the records that are already written',
  })
}

function tooLong(store: Store, { key, bytes }: ObjectIdentity): SluiceError {
  return new SluiceError('SOURCE_REFUSED', `the store sends more of "${nameOf(store, key)}" than its ${bytes} bytes`, {
    hint: 'a proxy may decompress or change the object: correct `endpoint`, or the proxy before it',
  })
}

function broken({ bucket }: Store, { key }: ObjectIdentity, why: string): SluiceError {
  return new SluiceError('SOURCE_UNAVAILABLE', `reading s3://${bucket}/${key} failed: ${why}`)
}
