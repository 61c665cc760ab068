import { randomBytes } from 'node:crypto'
import { findBucket, findListable, pageSize, textHeader, xmlAnswer } from '../call.ts'
import type { Answer, Call } from '../call.ts'
import { checksumElement, checksumHeader, parseChecksumAlgorithm } from '../checksums.ts'
import type { Checksum, ChecksumAlgorithm, ChecksumType } from '../checksums.ts'
import { release, retain, sliceContent } from '../content.ts'
import { S3Error } from '../protocol/errors.ts'
import {
  checkKey,
  digestContent,
  encryptionHeaders,
  findCopySource,
  parseRange,
  readAttributes,
  receiveContent,
} from './objects.ts'
import type { ReceivedContent } from './objects.ts'
import { compareKeys } from '../store.ts'
import type { Bucket, Part, Upload } from '../store.ts'

export const maxParts = 10_000

export function createMultipartUpload(call: Call): Answer {
  const { headers, target } = call
  const bucket = findBucket(call)
  checkKey(target.key)
  const algorithm = readAlgorithm(textHeader(headers, 'x-amz-checksum-algorithm'))
  const checksumType = readChecksumType(textHeader(headers, 'x-amz-checksum-type'), algorithm)
  const upload: Upload = {
    ...readAttributes(headers),
    id: randomBytes(24).toString('base64url'),
    key: target.key,
    algorithm,
    checksumType,
    initiated: new Date(),
    parts: new Map(),
  }
  bucket.uploads.set(upload.id, upload)
  const result = { Bucket: bucket.name, Key: upload.key, UploadId: upload.id }
  return xmlAnswer('InitiateMultipartUploadResult', result, {
    ...encryptionHeaders(upload),
    ...(algorithm && { 'x-amz-checksum-algorithm': algorithm }),
    ...(checksumType && { 'x-amz-checksum-type': checksumType }),
  })
}

export async function uploadPart(call: Call): Promise<Answer> {
  const number = readPartNumber(call)
  const upload = findUpload(call)
  const received = await receiveContent(call)
  const part = addPart(call, upload, number, received)
  return { headers: { etag: part.etag, ...encryptionHeaders(upload), ...partChecksumHeaders(part) } }
}

export async function uploadPartCopy(call: Call): Promise<Answer> {
  const number = readPartNumber(call)
  const upload = findUpload(call)
  const source = findCopySource(call)
  const range = parseRange(textHeader(call.headers, 'x-amz-copy-source-range'), source.size)
  const content = range ? sliceContent(source.content, range.start, range.end) : source.content
  retain(content)
  const part = addPart(call, upload, number, { ...(await digestContent(content, upload.algorithm)), content })
  return xmlAnswer(
    'CopyPartResult',
    { LastModified: part.lastModified, ETag: part.etag, ...partChecksumElements(part) },
    encryptionHeaders(upload),
  )
}

export function abortMultipartUpload(call: Call): Answer {
  const bucket = findBucket(call)
  closeUpload(bucket, findUpload(call))
  if (call.settings.abortDeletes) bucket.delete(call.target.key)
  return { status: 204 }
}

export function listParts(call: Call): Answer {
  const upload = findUpload(call)
  const marker = Number(call.target.parameter('part-number-marker') ?? 0)
  const limit = pageSize(call, 'max-parts')
  const following = sortedParts(upload).filter((part) => part.number > marker)
  const page = following.slice(0, limit)
  const truncated = following.length > page.length
  return xmlAnswer('ListPartsResult', {
    Bucket: call.target.bucket,
    Key: upload.key,
    UploadId: upload.id,
    PartNumberMarker: marker,
    NextPartNumberMarker: truncated ? page.at(-1)?.number : undefined,
    MaxParts: limit,
    IsTruncated: truncated,
    ChecksumAlgorithm: upload.algorithm,
    ChecksumType: upload.checksumType,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: part.lastModified,
      ETag: part.etag,
      Size: part.size,
      ...partChecksumElements(part),
    })),
  })
}

export function listMultipartUploads(call: Call): Answer {
  const { target } = call
  const bucket = findListable(call)
  const prefix = target.parameter('prefix') ?? ''
  const keyMarker = target.parameter('key-marker') ?? ''
  const idMarker = target.parameter('upload-id-marker')
  const limit = pageSize(call, 'max-uploads')
  const following = [...bucket.uploads.values()]
    .filter((upload) => upload.key.startsWith(prefix))
    .toSorted(byKeyAndId)
    .filter(({ key, id }) => {
      const order = compareKeys(key, keyMarker)
      return order > 0 || (order === 0 && idMarker !== undefined && id > idMarker)
    })
  const page = following.slice(0, limit)
  const last = following.length > page.length ? page.at(-1) : undefined
  return xmlAnswer('ListMultipartUploadsResult', {
    Bucket: target.bucket,
    KeyMarker: keyMarker,
    UploadIdMarker: idMarker,
    NextKeyMarker: last?.key,
    NextUploadIdMarker: last?.id,
    Prefix: prefix,
    MaxUploads: limit,
    IsTruncated: last !== undefined,
    Upload: page.map((upload) => ({
      Key: upload.key,
      UploadId: upload.id,
      Initiated: upload.initiated,
      StorageClass: 'STANDARD',
      ChecksumAlgorithm: upload.algorithm,
      ChecksumType: upload.checksumType,
    })),
  })
}

function readAlgorithm(name: string | undefined): ChecksumAlgorithm | undefined {
  const algorithm = parseChecksumAlgorithm(name)
  if (name === undefined || algorithm) return algorithm
  throw new S3Error('InvalidRequest', `Checksum algorithm provided is unsupported: ${name}`)
}

/**
 * The default: CRC64NVME covers the full object, all others are composite. SHA has no full-object
 * form.
 */
function readChecksumType(
  name: string | undefined,
  algorithm: ChecksumAlgorithm | undefined,
): ChecksumType | undefined {
  if (!algorithm) return undefined
  const type = name ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE')
  if (type === 'COMPOSITE' && algorithm !== 'CRC64NVME') return type
  if (type === 'FULL_OBJECT' && algorithm.startsWith('CRC')) return type
  throw new S3Error(
    'InvalidRequest',
    `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
  )
}

function readPartNumber({ target }: Call): number {
  const text = target.parameter('partNumber') ?? ''
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= maxParts) return number
  throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${maxParts}, inclusive`)
}

export function uploadId({ target }: Call): string {
  return target.parameter('uploadId') ?? ''
}

export function findUpload(call: Call): Upload {
  const upload = findBucket(call).uploads.get(uploadId(call))
  if (upload?.key === call.target.key) return upload
  throw new S3Error(
    'NoSuchUpload',
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  )
}

function addPart(call: Call, upload: Upload, number: number, { content, size, md5, checksum }: ReceivedContent): Part {
  try {
    // The upload may have ended while the body was read.
    findUpload(call)
    checkPartAlgorithm(upload, checksum)
  } catch (error) {
    release(content)
    throw error
  }
  const part = { number, content, size, etag: `"${md5.toString('hex')}"`, checksum, lastModified: new Date() }
  release(upload.parts.get(number)?.content ?? [])
  upload.parts.set(number, part)
  return part
}

function checkPartAlgorithm({ algorithm }: Upload, checksum: Checksum | undefined): void {
  if (!algorithm || checksum?.algorithm === algorithm) return
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${algorithm}, actual checksum Type: ${checksum?.algorithm ?? 'null'}`,
  )
}

/** Parts have a checksum without a type. */
function partChecksumHeaders({ checksum }: Part): Record<string, string> {
  return checksum ? { [checksumHeader(checksum.algorithm)]: checksum.value } : {}
}

function partChecksumElements({ checksum }: Part): Record<string, string> {
  return checksum ? { [checksumElement(checksum.algorithm)]: checksum.value } : {}
}

export function closeUpload(bucket: Bucket, upload: Upload): void {
  bucket.uploads.delete(upload.id)
  for (const part of upload.parts.values()) release(part.content)
}

function sortedParts({ parts }: Upload): Part[] {
  return [...parts.values()].toSorted((a, b) => a.number - b.number)
}

function byKeyAndId(a: Upload, b: Upload): number {
  return compareKeys(a.key, b.key) || (a.id < b.id ? -1 : 1)
}
