import type { IncomingMessage } from 'node:http'

const operations = [
  'AbortMultipartUpload',
  'AssumeRole',
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateBucket',
  'CreateMultipartUpload',
  'DeleteObject',
  'DeleteObjects',
  'GetBucketLifecycleConfiguration',
  'GetObject',
  'HeadBucket',
  'HeadObject',
  'ListBuckets',
  'ListMultipartUploads',
  'ListObjectsV2',
  'ListParts',
  'PutObject',
  'Unknown',
  'UploadPart',
  'UploadPartCopy',
] as const

export type Operation = (typeof operations)[number]

export interface Target {
  readonly operation: Operation
  /** As sent and signed, percent-encoded. */
  readonly path: string
  readonly bucket: string
  readonly key: string
  readonly query: readonly (readonly [string, string])[]
  readonly parameter: (name: string) => string | undefined
}

/**
 * Supports path style only. `Unknown`: not implemented, or the path is not percent-encoded UTF-8.
 */
export function parseTarget(request: IncomingMessage): Target {
  const [, path = '/', queryText = ''] = /^([^?]*)\??(.*)$/s.exec(request.url ?? '/') ?? []
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(decode(path)) ?? []
  const query = queryText
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair.replaceAll('+', ' ')) ?? []
      return [decode(name), decode(value)] as const
    })
  const parameters = new Map(query)
  const operation = isEncoded(path + queryText)
    ? findOperation(request, { bucket, key, has: (name) => parameters.has(name) })
    : 'Unknown'
  return { operation, path, bucket, key, query, parameter: (name) => parameters.get(name) }
}

function decode(text: string): string {
  return isEncoded(text) ? decodeURIComponent(text) : text
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/**
 * Sub-resources that this server does not implement. They must not be treated as the object or
 * bucket itself.
 */
const unsupported = ['acl', 'attributes', 'policy', 'retention', 'tagging', 'torrent', 'versioning', 'versions']

interface Shape {
  readonly bucket: string
  readonly key: string
  readonly has: (name: string) => boolean
}

function findOperation(request: IncomingMessage, shape: Shape): Operation {
  if (unsupported.some((name) => shape.has(name)) || (shape.key !== '' && shape.has('lifecycle'))) return 'Unknown'
  if (shape.bucket === '') return rootOperation(request.method)
  return shape.key === '' ? bucketOperation(request.method, shape) : objectOperation(request, shape)
}

function rootOperation(method: string | undefined): Operation {
  if (method === 'GET') return 'ListBuckets'
  return method === 'POST' ? 'AssumeRole' : 'Unknown'
}

function bucketOperation(method: string | undefined, { has }: Shape): Operation {
  if (has('lifecycle')) return method === 'GET' ? 'GetBucketLifecycleConfiguration' : 'Unknown'
  if (method === 'PUT') return 'CreateBucket'
  if (method === 'HEAD') return 'HeadBucket'
  if (method === 'POST' && has('delete')) return 'DeleteObjects'
  if (method === 'GET' && has('uploads')) return 'ListMultipartUploads'
  return method === 'GET' && has('list-type') ? 'ListObjectsV2' : 'Unknown'
}

function objectOperation({ method, headers }: IncomingMessage, { has }: Shape): Operation {
  const copies = headers['x-amz-copy-source'] !== undefined
  const upload = has('uploadId')
  if (method === 'PUT' && upload) return copies ? 'UploadPartCopy' : 'UploadPart'
  if (method === 'PUT') return copies ? 'CopyObject' : 'PutObject'
  if (method === 'POST' && has('uploads')) return 'CreateMultipartUpload'
  if (method === 'POST' && upload) return 'CompleteMultipartUpload'
  if (method === 'DELETE') return upload ? 'AbortMultipartUpload' : 'DeleteObject'
  if (method === 'GET') return upload ? 'ListParts' : 'GetObject'
  return method === 'HEAD' ? 'HeadObject' : 'Unknown'
}
