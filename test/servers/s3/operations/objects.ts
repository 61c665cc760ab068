import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { accessDenied, findBucket, receiveText, textHeader, xmlAnswer } from '../call.ts'
import type { Answer, Call } from '../call.ts'
import { checksumElement, checksumHeader, createDigest, parseChecksumAlgorithm } from '../checksums.ts'
import type { Checksum } from '../checksums.ts'
import { checkWriteConditions, readCondition } from './conditions.ts'
import { createContentWriter, readContent, release, retain, sliceContent } from '../content.ts'
import type { Content } from '../content.ts'
import { S3Error } from '../protocol/errors.ts'
import type { Digests } from '../protocol/receive.ts'
import type { Attributes, ObjectEntry } from '../store.ts'
import { childText, parseXml } from '../protocol/xml.ts'

export async function putObject(call: Call): Promise<Answer> {
  const { key } = call.target
  const bucket = findBucket(call)
  checkKey(key)
  const attributes = readAttributes(call.headers)
  const { content, md5, checksum } = await receiveContent(call)
  try {
    checkWriteConditions(call, bucket.get(key))
  } catch (error) {
    release(content)
    throw error
  }
  const object = bucket.put(key, {
    ...attributes,
    content,
    etag: `"${md5.toString('hex')}"`,
    checksum,
  })
  const { etag } = object
  return {
    headers: { etag, ...versionHeaders(object), ...encryptionHeaders(object), ...checksumHeaders(object.checksum) },
  }
}

/** Storage classes that GetObject refuses until the object is restored. */
const ARCHIVED: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

function versionHeaders({ versionId }: ObjectEntry): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId }
}

export function getObject(call: Call): Answer {
  const object = findReadable(call)
  if (call.target.operation === 'GetObject' && ARCHIVED.has(object.headers['x-amz-storage-class'] ?? '')) {
    throw new S3Error('InvalidObjectState', "The operation is not valid for the object's storage class")
  }
  if (readCondition(call.headers, object) === 'notModified') return { status: 304, headers: { etag: object.etag } }
  const range = call.settings.ignoreRanges ? undefined : parseRange(textHeader(call.headers, 'range'), object.size)
  const headers = {
    ...object.headers,
    etag: object.etag,
    'last-modified': object.lastModified.toUTCString(),
    'accept-ranges': 'bytes',
    ...versionHeaders(object),
  }
  if (!range) {
    const checksums = call.headers['x-amz-checksum-mode'] === 'ENABLED' ? checksumHeaders(object.checksum) : {}
    retain(object.content)
    return { headers: { ...headers, ...checksums }, content: object.content }
  }
  const content = sliceContent(object.content, range.start, range.end)
  retain(content)
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${range.start}-${range.end - 1}/${object.size}` },
    content,
  }
}

export function deleteObject(call: Call): Answer {
  if (call.settings.denyDelete) throw accessDenied()
  findBucket(call).delete(call.target.key)
  return { status: 204 }
}

export async function deleteObjects(call: Call): Promise<Answer> {
  const bucket = findBucket(call)
  const { headers } = call
  if (!Object.keys(headers).some((name) => name === 'content-md5' || name.startsWith('x-amz-checksum-'))) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
  }
  const request = parseXml(await receiveText(call))
  const keys = request.children.filter(({ name }) => name === 'Object').map((item) => childText(item, 'Key') ?? '')
  if (keys.length === 0 || keys.length > 1000 || keys.includes('')) {
    throw new S3Error('MalformedXML', 'The XML you provided names no object, more than 1000, or one without a key')
  }
  for (const key of keys) bucket.delete(key)
  const quiet = childText(request, 'Quiet') === 'true'
  return xmlAnswer('DeleteResult', quiet ? '' : { Deleted: keys.map((Key) => ({ Key })) })
}

export async function copyObject(call: Call): Promise<Answer> {
  const { key } = call.target
  const { headers } = call
  const bucket = findBucket(call)
  checkKey(key)
  const source = findCopySource(call)
  const algorithm =
    parseChecksumAlgorithm(textHeader(headers, 'x-amz-checksum-algorithm')) ?? source.checksum?.algorithm
  retain(source.content)
  const { md5, checksum } = await digestContent(source.content, algorithm)
  try {
    checkWriteConditions(call, bucket.get(key))
  } catch (error) {
    release(source.content)
    throw error
  }
  const replaces = headers['x-amz-metadata-directive'] === 'REPLACE'
  const attributes = readAttributes(headers)
  const object = bucket.put(key, {
    headers: replaces ? attributes.headers : source.headers,
    acl: attributes.acl,
    tags: textHeader(headers, 'x-amz-tagging-directive') === 'REPLACE' ? attributes.tags : source.tags,
    content: source.content,
    etag: `"${md5.toString('hex')}"`,
    checksum,
  })
  return xmlAnswer('CopyObjectResult', {
    LastModified: object.lastModified,
    ETag: object.etag,
    ...checksumElements(object.checksum),
  })
}

/** @throws S3Error NoSuchKey, AccessDenied, InvalidArgument */
export function findCopySource(call: Call): ObjectEntry {
  const header = textHeader(call.headers, 'x-amz-copy-source') ?? ''
  const [, name, key] = /^\/?([^/]+)\/([^?]+)/.exec(decodeURIComponent(header)) ?? []
  if (name === undefined || key === undefined) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey')
  }
  const bucket = findBucket(call, name)
  if (call.settings.denyRead) throw accessDenied()
  const source = bucket.get(key)
  if (!source) throw noSuchKey(call)
  return source
}

export interface ReceivedContent extends Digests {
  readonly content: Content
}

/** Reads the body into a content, which the caller owns. Leaves nothing after an error. */
export async function receiveContent(call: Call): Promise<ReceivedContent> {
  const writer = createContentWriter(call.settings.folder)
  try {
    const digests = await call.receive((bytes) => writer.write(bytes))
    return { ...digests, content: await writer.finish() }
  } catch (error) {
    await writer.discard()
    throw error
  }
}

export async function digestContent(content: Content, algorithm: Checksum['algorithm'] | undefined): Promise<Digests> {
  const [md5, digest] = [createHash('md5'), algorithm && createDigest(algorithm)]
  let size = 0
  for await (const bytes of readContent(content)) {
    size += bytes.length
    md5.update(bytes)
    digest?.update(bytes)
  }
  const value = digest?.digest().toString('base64')
  const checksum = algorithm && value !== undefined ? ({ algorithm, value, type: 'FULL_OBJECT' } as const) : undefined
  return { size, md5: md5.digest(), checksum }
}

export function parseRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  const [, first = '', last = ''] = match ?? []
  // Anything but a single byte range is ignored, as RFC 9110 requires.
  if (!match || (first === '' && last === '')) return undefined
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (start < end) return { start, end }
  throw new S3Error('InvalidRange', 'The requested range is not satisfiable', { 'content-range': `bytes */${size}` })
}

const storedHeaders = [
  'cache-control',
  'content-disposition',
  'content-language',
  'expires',
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
]

export function readAttributes(headers: IncomingHttpHeaders): Attributes {
  checkStored(headers)
  const kept = Object.keys(headers).filter(
    (name) =>
      storedHeaders.includes(name) || name.startsWith('x-amz-meta-') || name.startsWith('x-amz-server-side-encryption'),
  )
  const encodings = (textHeader(headers, 'content-encoding') ?? '')
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding !== 'aws-chunked')
  return {
    headers: {
      'content-type': textHeader(headers, 'content-type') ?? 'binary/octet-stream',
      ...(encodings.length > 0 && { 'content-encoding': encodings.join(',') }),
      ...Object.fromEntries(kept.map((name) => [name, textHeader(headers, name) ?? ''])),
    },
    acl: textHeader(headers, 'x-amz-acl'),
    tags: readTags(textHeader(headers, 'x-amz-tagging')),
  }
}

/** @throws S3Error InvalidTag */
function readTags(header: string | undefined): Record<string, string> {
  const tags = new Map<string, string>()
  for (const pair of header === undefined || header === '' ? [] : header.split('&')) {
    const [name = '', value = ''] = pair.split('=', 2).map((text) => decodeURIComponent(text))
    const isValid = name !== '' && name.length <= 128 && value.length <= 256 && !/^aws:/i.test(name) && !tags.has(name)
    if (!isValid || !TAG.test(name) || !TAG.test(value)) {
      throw new S3Error('InvalidTag', 'The TagKey or TagValue you have provided is invalid')
    }
    tags.set(name, value)
  }
  if (tags.size > 10) throw new S3Error('BadRequest', 'Object tags cannot be greater than 10')
  return Object.fromEntries(tags)
}

const TAG = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** Classes of new objects. */
const storageClasses = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
  'REDUCED_REDUNDANCY',
]

/** @throws S3Error InvalidStorageClass, MetadataTooLarge */
function checkStored(headers: IncomingHttpHeaders): void {
  const storageClass = textHeader(headers, 'x-amz-storage-class')
  if (storageClass !== undefined && !storageClasses.includes(storageClass)) {
    throw new S3Error('InvalidStorageClass', 'The storage class you specified is not valid')
  }
  const metadata = Object.keys(headers).filter((name) => name.startsWith('x-amz-meta-'))
  const bytes = metadata.map((name) => name.length - 'x-amz-meta-'.length + (textHeader(headers, name) ?? '').length)
  if (bytes.reduce((sum, length) => sum + length, 0) > 2048) {
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size')
  }
}

/** Headers for every response about an encrypted object or upload. */
export function encryptionHeaders({ headers }: Attributes): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side-encryption')))
}

function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {}
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type }
}

export function checksumElements(checksum: Checksum | undefined): Record<string, string> {
  return checksum ? { [checksumElement(checksum.algorithm)]: checksum.value, ChecksumType: checksum.type } : {}
}

/** @throws S3Error KeyTooLongError */
export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError', 'Your key is too long')
}

function findReadable(call: Call): ObjectEntry {
  const bucket = findBucket(call)
  if (call.settings.denyRead) throw accessDenied()
  const versionId = call.target.parameter('versionId')
  const object = bucket.get(call.target.key, versionId)
  if (object) return object
  throw versionId === undefined
    ? noSuchKey(call)
    : new S3Error('NoSuchVersion', 'The specified version does not exist.')
}

function noSuchKey({ settings }: Call): S3Error {
  return settings.denyList ? accessDenied() : new S3Error('NoSuchKey', 'The specified key does not exist.')
}
