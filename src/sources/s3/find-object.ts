import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { s3Facts } from '../../s3/errors.ts'
import { listObjects } from './list-objects.ts'
import type { ListedObject } from './list-objects.ts'
import { requestParams, sourceError, untilAborted } from './store.ts'
import type { Store } from './store.ts'

/**
 * One object, as it is now. Undefined if it does not exist.
 * @throws SluiceError SOURCE_REFUSED, SOURCE_UNAVAILABLE
 */
export async function findObject(
  store: Store,
  key: string,
  { versionId, signal }: { readonly versionId?: string | undefined; readonly signal: AbortSignal },
): Promise<ListedObject | undefined> {
  if (versionId !== undefined) return findVersion(store, key, versionId, signal)
  // Of all keys with this prefix, the key itself is the first.
  for await (const found of listObjects(store, { prefix: key, limit: 1, signal })) {
    return found.key === key ? found : undefined
  }
  return undefined
}

async function findVersion(
  store: Store,
  key: string,
  version: string,
  signal: AbortSignal,
): Promise<ListedObject | undefined> {
  const command = new HeadObjectCommand({ ...requestParams(store), Key: key, VersionId: version })
  try {
    const found = await untilAborted(store.client.send(command, { abortSignal: signal }), signal)
    const { ETag: etag, ContentLength: bytes = 0, LastModified: modified, StorageClass: storageClass } = found
    return { key, etag, bytes, modified: modified?.getTime() ?? 0, storageClass }
  } catch (error) {
    if (s3Facts(error).status === 404) return undefined
    throw signal.aborted ? signal.reason : sourceError(error, 'GetObjectVersion', store)
  }
}
