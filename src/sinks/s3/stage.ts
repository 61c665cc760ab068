import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { OutboxFile } from '../../component.ts'
import { SluiceError, systemCode } from '../../errors.ts'
import { notS3, s3Error } from '../../s3/errors.ts'
import { anySignal } from '../../signals.ts'
import type { S3Destination } from './destination.ts'
import { discardUpload } from './discard.ts'
import { objectParams } from './params.ts'
import { storageParams } from './storage.ts'
import type { StagedPart, StagedUpload } from './staged-upload.ts'

export interface StageOptions {
  readonly client: S3Client
  readonly file: OutboxFile
  readonly destination: S3Destination
  readonly signal: AbortSignal
}

/**
 * Sends a file as a multipart upload and does not complete it: one part if it is not larger than
 * `partSize`. Other uploads of the same key are left alone, because a dead worker and its successor
 * stage the same object, and either may be the one whose result is committed.
 *
 * After a failure its own upload is aborted, by the rules of `discardUpload`. An upload whose id was
 * in an answer that was lost has no part; the sweep after the run finds it.
 * @throws SluiceError SINK_UNAVAILABLE, SINK_REFUSED; DISK_FAILED if the file cannot be read
 */
export async function stageObject({ client, file, destination, signal }: StageOptions): Promise<StagedUpload> {
  const { bucket } = destination
  const uploadId = await createUpload(client, destination, signal)
  try {
    const parts = await sendParts({ client, file, destination, signal, uploadId })
    return { uploadId, bytes: file.bytes, sha256: file.sha256, parts }
  } catch (error) {
    await discardUpload({ client, destination, uploadId, signal }).catch(() => undefined)
    throw s3Error(error, { operation: 'UploadPart', bucket })
  }
}

async function createUpload(client: S3Client, destination: S3Destination, signal: AbortSignal): Promise<string> {
  const call = { operation: 'CreateMultipartUpload', bucket: destination.bucket }
  // As `Upload` of the SDK does it: the parts then carry the checksum that the SDK adds to requests.
  const checksums = (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED'
  const request = new CreateMultipartUploadCommand({
    ...objectParams(destination),
    ...storageParams(destination),
    ...(checksums && { ChecksumAlgorithm: 'CRC32' }),
  })
  try {
    const { UploadId: id } = await client.send(request, { abortSignal: signal })
    if (id === undefined) throw notS3(call)
    return id
  } catch (error) {
    throw s3Error(error, call)
  }
}

interface PartsOptions extends StageOptions {
  readonly uploadId: string
}

/** The first part that fails ends the others. */
async function sendParts(options: PartsOptions): Promise<StagedPart[]> {
  const { file, destination } = options
  const failed = new AbortController()
  const signal = anySignal(options.signal, failed.signal)
  const partSize = Math.max(destination.partSize, Math.ceil(file.bytes / MAX_PARTS))
  const count = Math.max(1, Math.ceil(file.bytes / partSize))
  const parts: StagedPart[] = []
  const handle = await opened(file.path)
  let next = 0
  let failure: unknown
  const sendNext = async (): Promise<void> => {
    try {
      while (next < count && !signal.aborted) {
        const index = next++
        const start = index * partSize
        const body = await readRange(handle, { path: file.path, start, end: Math.min(file.bytes, start + partSize) })
        parts[index] = await sendPart({ ...options, signal }, index + 1, body)
      }
    } catch (error) {
      if (!failed.signal.aborted) failure = error
      failed.abort()
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(count, QUEUE) }, sendNext))
  } finally {
    await handle.close()
  }
  options.signal.throwIfAborted()
  if (failed.signal.aborted) throw failure
  return parts
}

async function sendPart(
  { client, destination, signal, uploadId }: PartsOptions,
  number: number,
  body: Buffer,
): Promise<StagedPart> {
  const part = { ...objectParams(destination), UploadId: uploadId, PartNumber: number, Body: body }
  const { ETag: etag, ChecksumCRC32: crc32 } = await client.send(new UploadPartCommand(part), { abortSignal: signal })
  if (!etag) throw notS3({ operation: 'UploadPart', bucket: destination.bucket })
  return { etag, ...(crc32 !== undefined && { crc32 }) }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw unreadable(path, systemCode(error) ?? String(error), error)
  }
}

interface Range {
  readonly path: string
  readonly start: number
  readonly end: number
}

async function readRange(handle: FileHandle, { path, start, end }: Range): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(end - start)
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done)
    if (bytesRead === 0) throw unreadable(path, `it ends after ${start + done} bytes`)
    done += bytesRead
  }
  return bytes
}

function unreadable(path: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('DISK_FAILED', `cannot read ${path}: ${why}`, { cause })
}

/** Limit of S3. */
const MAX_PARTS = 10_000
/** Parts of one object that are sent at once, as in `upload.ts`. */
const QUEUE = 2
