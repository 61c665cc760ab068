import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import { notS3 } from '../../s3/errors.ts'
import { asSourceError, requestParams, sourceError, untilAborted } from './store.ts'
import type { Store } from './store.ts'

/** An object as it is listed. */
export interface ListedObject {
  readonly key: string
  /** In double quotes. Undefined where the store lists none. */
  readonly etag: string | undefined
  readonly bytes: number
  /** Milliseconds since 1970, of the store's clock. */
  readonly modified: number
  readonly storageClass: string | undefined
}

interface Listing {
  readonly prefix: string
  /** Only keys after this one, in the order of their bytes in UTF-8. */
  readonly after?: string | undefined
  /** Only the first page, of so many keys. */
  readonly limit?: number
  readonly signal: AbortSignal
}

/**
 * All objects below a prefix, in the order of their keys. The next page is requested while one is
 * used.
 * @throws SluiceError SOURCE_REFUSED, SOURCE_UNAVAILABLE
 */
export async function* listObjects(store: Store, listing: Listing): AsyncGenerator<ListedObject, void> {
  let last = listing.after ?? ''
  for await (const { Contents: contents = [], EncodingType: encoding } of listPages(store, listing)) {
    for (const { Key: name, ETag, Size, LastModified, StorageClass } of contents) {
      const key = decodeKey(name ?? '', encoding)
      if (key === '') continue
      if (compareKeys(key, last) <= 0) throw outOfOrder(store, key, last)
      last = key
      yield {
        key,
        etag: ETag === '' ? undefined : ETag,
        bytes: Size ?? 0,
        modified: LastModified?.getTime() ?? 0,
        storageClass: StorageClass,
      }
    }
  }
}

/** The folders directly below a prefix that ends in a slash or in the start of a name: with their slash, sorted. */
export async function* listFolders(store: Store, listing: Listing): AsyncGenerator<string, void> {
  for await (const { CommonPrefixes: prefixes = [], EncodingType } of listPages(store, listing, '/')) {
    for (const { Prefix: prefix } of prefixes) if (prefix !== undefined) yield decodeKey(prefix, EncodingType)
  }
}

async function* listPages(
  store: Store,
  { prefix, after, limit, signal }: Listing,
  delimiter?: string,
): AsyncGenerator<ListObjectsV2CommandOutput, void> {
  const request = {
    ...requestParams(store),
    Prefix: prefix,
    // XML cannot hold all characters of a key.
    EncodingType: 'url' as const,
    ...(limit !== undefined && { MaxKeys: limit }),
    ...(delimiter !== undefined && { Delimiter: delimiter }),
    ...(after !== undefined && after !== '' && { StartAfter: after }),
  }
  const get = async (token: string | undefined): Promise<ListObjectsV2CommandOutput> => {
    const command = new ListObjectsV2Command({ ...request, ...(token !== undefined && { ContinuationToken: token }) })
    const page = await store.client.send(command, { abortSignal: signal })
    if (page.IsTruncated === undefined) throw notS3({ operation: 'ListObjectsV2', bucket: store.bucket })
    return page
  }
  let next: Promise<ListObjectsV2CommandOutput> | undefined = get(undefined)
  while (next !== undefined) {
    const page: ListObjectsV2CommandOutput = await untilAborted(next, signal).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : sourceError(error, 'ListObjectsV2', store)
    })
    const { IsTruncated: more, NextContinuationToken: token, ContinuationToken: own } = page
    if (more === true && (token === undefined || token === own)) throw endless(store)
    next = more === true && limit === undefined ? get(token) : undefined
    // Thrown when the page is due, if it still is.
    next?.catch(() => {})
    yield page
  }
}

function endless({ bucket }: Store): SluiceError {
  return new SluiceError('SOURCE_UNAVAILABLE', `a list of bucket ${bucket} says that it continues, but not where`, {
    hint: 'the store is faulty; a narrower path may help',
  })
}

/** Positions and look-backs rely on the order. */
function outOfOrder({ bucket }: Store, key: string, last: string): SluiceError {
  return new SluiceError('SOURCE_REFUSED', `bucket ${bucket} lists its keys out of order: "${key}" after "${last}"`, {
    hint: 'directory buckets (S3 Express One Zone) cannot be read: copy the objects to a general purpose bucket',
  })
}

function decodeKey(key: string, encoding: string | undefined): string {
  if (encoding !== 'url') return key
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    throw asSourceError(new SluiceError('SINK_REFUSED', `a key is listed as "${key}", which is not URL-encoded UTF-8`))
  }
}

/** Compares two keys as S3 orders them: by their bytes in UTF-8. */
export function compareKeys(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at++) {
    const a = one.charCodeAt(at)
    const b = other.charCodeAt(at)
    if (a !== b) return rank(a) - rank(b)
  }
  return one.length - other.length
}

/** Surrogates encode characters that come after all others. */
function rank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit
}
