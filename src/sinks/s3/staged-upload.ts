import type { ObjectFacts } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { isList, isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'

/** A multipart upload with all parts sent and not completed: the handle of a staged object. */
export interface StagedUpload {
  readonly uploadId: string
  readonly bytes: number
  /** Of the bytes, in hex. */
  readonly sha256: string
  /** In order, from part 1. */
  readonly parts: readonly StagedPart[]
}

export interface StagedPart {
  readonly etag: string
  /** CRC-32 in base64, if the store takes checksums. */
  readonly crc32?: string
}

/** About 50 bytes for each part. */
export function handleOf({ uploadId, bytes, sha256, parts }: StagedUpload): Json {
  return { uploadId, bytes, sha256, parts: parts.map(({ etag, crc32 }) => (crc32 ? [etag, crc32] : [etag])) }
}

/** @throws SluiceError STATE_DAMAGED */
export function readHandle(handle: Json): StagedUpload {
  if (isObject(handle)) {
    const { uploadId, bytes, sha256, parts } = handle
    if (typeof uploadId === 'string' && typeof bytes === 'number' && typeof sha256 === 'string' && isList(parts)) {
      return { uploadId, bytes, sha256, parts: parts.map(readPart) }
    }
  }
  throw damaged('it has no upload id, length, hash or parts')
}

/**
 * The handle of an object. A handle that was mixed up would publish the records of another one.
 * @throws SluiceError STATE_DAMAGED
 */
export function readHandleOf({ bytes, sha256 }: ObjectFacts, handle: Json): StagedUpload {
  const staged = readHandle(handle)
  if (staged.bytes === bytes && staged.sha256 === sha256) return staged
  throw damaged('it belongs to an object with another length or hash')
}

function readPart(part: Json): StagedPart {
  const [etag, crc32] = isList(part) ? part : []
  if (typeof etag !== 'string') throw damaged('a part has no ETag')
  return { etag, ...(typeof crc32 === 'string' && { crc32 }) }
}

function damaged(how: string): SluiceError {
  return new SluiceError('STATE_DAMAGED', `the handle of a staged object of the s3 sink cannot be used: ${how}`)
}
