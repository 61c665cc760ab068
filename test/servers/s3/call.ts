import type { IncomingHttpHeaders } from 'node:http'
import type { Content } from './content.ts'
import { S3Error } from './protocol/errors.ts'
import type { S3ErrorCode } from './protocol/errors.ts'
import type { Digests } from './protocol/receive.ts'
import type { Target } from './protocol/route.ts'
import type { Bucket } from './store.ts'
import { writeXml } from './protocol/xml.ts'
import type { XmlValue } from './protocol/xml.ts'

export interface ServerSettings {
  /** Folder for bodies. Default: bodies are in memory. */
  readonly folder: string | undefined
  readonly ownerId: string
  /** Ignores the condition of every conditional write. */
  readonly ignoreConditions: boolean
  /** Stores a body whatever digest the request names, as moto does. */
  readonly ignoreDigests: boolean
  /** Answers 304 to a Complete whose condition fails, as Adobe S3Mock does. */
  readonly answer304: boolean
  /** An Abort also removes the finished object of its key, as in Adobe S3Mock. */
  readonly abortDeletes: boolean
  /** The answer to the repeat of a Complete. Default: that of the first, as S3 answers. */
  readonly repeatedComplete: S3ErrorCode | undefined
  /** Refuses GetObject and HeadObject, and If-Match, which S3 grants with them. */
  readonly denyRead: boolean
  /** Refuses DeleteObject. */
  readonly denyDelete: boolean
  /**
   * Refuses lists and HeadBucket, and responds 403 for an absent key, as S3 does without the right
   * to list.
   */
  readonly denyList: boolean
  /**
   * Rules of every bucket for unfinished uploads, which are shown and not applied (`clearUploads` of
   * the server does that). Default: the server does not know lifecycle rules.
   */
  readonly lifecycle: readonly LifecycleRule[] | undefined
  /** Demands the agreement to pay in each request. */
  readonly requesterPays: boolean
  /** Responds to a range with the whole object. */
  readonly ignoreRanges: boolean
  /** New S3 buckets keep the versions of their objects. */
  readonly versioned: boolean
  /** Entries in a page of a list. S3: 1000. */
  readonly maxPage: number
}

interface LifecycleRule {
  readonly prefix: string
  readonly days: number
  readonly isEnabled?: boolean
}

/** One authenticated request, for its operation. */
export interface Call {
  readonly target: Target
  readonly headers: IncomingHttpHeaders
  readonly settings: ServerSettings
  readonly buckets: Map<string, Bucket>
  /**
   * Reads the body and checks it against every length, hash and checksum that the request names.
   */
  receive(write: (bytes: Buffer) => void | Promise<void>): Promise<Digests>
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly xml?: string
  /** Retained by the operation; released after it was sent. */
  readonly content?: Content
}

export function xmlAnswer(root: string, value: XmlValue, headers: Readonly<Record<string, string>> = {}): Answer {
  return { headers, xml: writeXml(root, value, 'http://s3.amazonaws.com/doc/2006-03-01/') }
}

/** @throws S3Error NoSuchBucket, AccessDenied */
export function findBucket({ target, headers, settings, buckets }: Call, name = target.bucket): Bucket {
  const bucket = buckets.get(name)
  if (!bucket) throw new S3Error('NoSuchBucket', 'The specified bucket does not exist')
  const header = name === target.bucket ? 'x-amz-expected-bucket-owner' : 'x-amz-source-expected-bucket-owner'
  const expectedOwner = headers[header]
  if (expectedOwner !== undefined && expectedOwner !== settings.ownerId) throw accessDenied()
  if (settings.requesterPays && headers['x-amz-request-payer'] !== 'requester') throw accessDenied()
  return bucket
}

/** @throws S3Error NoSuchBucket, AccessDenied */
export function findListable(call: Call): Bucket {
  const bucket = findBucket(call)
  if (call.settings.denyList) throw accessDenied()
  return bucket
}

export function accessDenied(): S3Error {
  return new S3Error('AccessDenied', 'Access Denied')
}

/** Documents of requests are small: the largest completes 10,000 parts. */
const maxTextBytes = 4 * 1024 * 1024

export async function receiveText(call: Call): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  await call.receive((bytes) => {
    size += bytes.length
    if (size > maxTextBytes) throw new S3Error('EntityTooLarge', 'The request document is too large')
    chunks.push(bytes)
  })
  return Buffer.concat(chunks).toString()
}

export function textHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

/** A count from the query. Default and maximum: 1,000. */
export function pageSize(call: Call, parameter: string): number {
  const text = call.target.parameter(parameter)
  const { maxPage } = call.settings
  if (text === undefined) return maxPage
  if (!/^\d{1,9}$/.test(text)) throw new S3Error('InvalidArgument', `Provided ${parameter} not an integer: ${text}`)
  return Math.min(Number(text), maxPage)
}
