import { accessDenied, findBucket, findListable, pageSize, receiveText, xmlAnswer } from '../call.ts'
import type { Answer, Call } from '../call.ts'
import { S3Error } from '../protocol/errors.ts'
import { encodeRfc3986 } from '../protocol/signature.ts'
import { Bucket, compareKeys } from '../store.ts'

export async function createBucket(call: Call): Promise<Answer> {
  // The document has at most a region, and this server has only one.
  await receiveText(call)
  const name = call.target.bucket
  if (call.buckets.has(name)) throw new S3Error('BucketAlreadyOwnedByYou', `You already own the bucket ${name}`)
  addBucket(call.buckets, name, call.settings.versioned)
  return { headers: { location: `/${name}` } }
}

/** @throws S3Error InvalidBucketName */
export function addBucket(buckets: Map<string, Bucket>, name: string, versioned = false): void {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
    throw new S3Error('InvalidBucketName', `The specified bucket is not valid: ${name}`)
  }
  if (!buckets.has(name)) buckets.set(name, new Bucket(name, versioned))
}

export function headBucket(call: Call): Answer {
  findListable(call)
  return {}
}

export function getLifecycle(call: Call): Answer {
  findBucket(call)
  const { lifecycle } = call.settings
  if (lifecycle === undefined) throw new S3Error('NotImplemented', 'This store has no lifecycle rules')
  if (lifecycle.length === 0) {
    throw new S3Error('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist')
  }
  return xmlAnswer('LifecycleConfiguration', {
    Rule: lifecycle.map(({ prefix, days, isEnabled = true }) => ({
      Filter: { Prefix: prefix },
      Status: isEnabled ? 'Enabled' : 'Disabled',
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: days },
    })),
  })
}

export function listBuckets({ buckets, settings }: Call): Answer {
  if (settings.denyList) throw accessDenied()
  return xmlAnswer('ListAllMyBucketsResult', {
    Owner: { ID: settings.ownerId },
    Buckets: { Bucket: [...buckets.keys()].toSorted(compareKeys).map((Name) => ({ Name })) },
  })
}

/** Pages over keys and common prefixes; a continuation token is the last of them. */
export function listObjects(call: Call): Answer {
  const bucket = findListable(call)
  const { target } = call
  const prefix = target.parameter('prefix') ?? ''
  const delimiter = target.parameter('delimiter') ?? ''
  const token = target.parameter('continuation-token')
  const startAfter = target.parameter('start-after')
  const limit = pageSize(call, 'max-keys')
  const after = token === undefined ? (startAfter ?? '') : Buffer.from(token, 'base64url').toString()
  const { entries, truncated } = listPage(bucket.keys(), { prefix, delimiter, after, limit })
  const last = truncated ? entries.at(-1)?.name : undefined
  const encode = keyEncoder(target.parameter('encoding-type'))
  return xmlAnswer('ListBucketResult', {
    Name: bucket.name,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    StartAfter: startAfter === undefined ? undefined : encode(startAfter),
    MaxKeys: limit,
    KeyCount: entries.length,
    EncodingType: target.parameter('encoding-type'),
    ContinuationToken: token,
    NextContinuationToken: last === undefined ? undefined : Buffer.from(last).toString('base64url'),
    IsTruncated: truncated,
    Contents: entries
      .filter((entry) => !entry.isPrefix)
      .map(({ name }) => {
        const object = bucket.get(name)
        return {
          Key: encode(name),
          LastModified: object?.lastModified,
          ETag: object?.etag,
          ChecksumAlgorithm: object?.checksum?.algorithm,
          ChecksumType: object?.checksum?.type,
          Size: object?.size,
          StorageClass: object?.headers['x-amz-storage-class'] ?? 'STANDARD',
          Owner: target.parameter('fetch-owner') === 'true' ? { ID: call.settings.ownerId } : undefined,
        }
      }),
    CommonPrefixes: entries.filter((entry) => entry.isPrefix).map(({ name }) => ({ Prefix: encode(name) })),
  })
}

interface PageQuery {
  readonly prefix: string
  readonly delimiter: string
  readonly after: string
  readonly limit: number
}

interface PageEntry {
  readonly name: string
  readonly isPrefix: boolean
}

function listPage(
  keys: readonly string[],
  { prefix, delimiter, after, limit }: PageQuery,
): { entries: PageEntry[]; truncated: boolean } {
  const entries: PageEntry[] = []
  if (limit === 0) return { entries, truncated: false }
  for (let i = firstBehind(keys, after); i < keys.length; i++) {
    const key = keys[i] ?? ''
    if (!key.startsWith(prefix)) continue
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const entry =
      end < 0 ? { name: key, isPrefix: false } : { name: key.slice(0, end + delimiter.length), isPrefix: true }
    // The previous page ended with this common prefix, or this page already has it.
    if (entry.isPrefix && (after.startsWith(entry.name) || entries.at(-1)?.name === entry.name)) continue
    if (entries.length === limit) return { entries, truncated: true }
    entries.push(entry)
  }
  return { entries, truncated: false }
}

function firstBehind(keys: readonly string[], after: string): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keys[middle] ?? '', after) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

function keyEncoder(type: string | undefined): (key: string) => string {
  if (type === undefined) return (key) => key
  if (type !== 'url') throw new S3Error('InvalidArgument', `Invalid Encoding Method specified in Request: ${type}`)
  return (key) => key.split('/').map(encodeRfc3986).join('/').replaceAll('%20', '+')
}
