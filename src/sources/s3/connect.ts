import type { ConnectionCheck } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { withKnownHost } from '../../s3/diagnosis.ts'
import { getRange } from './get-range.ts'
import type { KeyPattern } from './key-pattern.ts'
import { findObject } from './find-object.ts'
import type { ListedObject } from './list-objects.ts'
import { selectObjects } from './select-objects.ts'
import type { Selection } from './select-objects.ts'
import { asSourceError, sourceError } from './store.ts'
import type { Store } from './store.ts'

/** Objects that are tried: the first ones may be archived. */
const TRIED = 5

/** Checks the rights that reading needs: it lists, and reads the first byte of an object. */
export async function* checkReadAccess(
  store: Store,
  pattern: KeyPattern,
  { versionId, ...selection }: Omit<Selection, 'after'> & { readonly versionId: string | undefined },
): AsyncGenerator<ConnectionCheck, void> {
  const { signal } = selection
  const below = `in ${store.bucket}${pattern.prefix === '' ? '' : ` below ${pattern.prefix}`}`
  const list = `s3:ListBucket ${below}`
  const get = versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
  const objects: ListedObject[] = []
  try {
    if (versionId === undefined) {
      for await (const object of selectObjects(store, pattern, selection)) {
        if (object.bytes > 0 && objects.push(object) === TRIED) break
      }
      yield objects.length === 0 ? nothingFound(list, pattern) : { what: list, found: 'allowed' }
    } else {
      const object = await findObject(store, pattern.prefix, { versionId, signal })
      if (object === undefined) yield nothingFound(`${get} ${below}`, pattern)
      else objects.push(object)
    }
  } catch (error) {
    yield { what: list, error: failure(error, 'ListObjectsV2', store, signal) }
    return
  }
  let last: SluiceError | undefined
  for (const { key, etag, bytes } of objects) {
    try {
      await getRange(store, { key, etag, bytes, version: versionId }, { start: 0, end: 1, signal })
      yield { what: `${get} ${below}`, found: `allowed (the first byte of ${key} was read)` }
      return
    } catch (error) {
      last = failure(error, 'GetObject', store, signal)
      if (last.code !== 'FILE_NOT_FOUND' || signal.aborted) break
    }
  }
  if (last !== undefined) yield { what: `${get} ${below}`, error: last }
}

function nothingFound(what: string, { text }: KeyPattern): ConnectionCheck {
  const message = `allowed, but no object matches "${text}": reading could not be tried`
  return { what, error: new SluiceError('FILE_NOT_FOUND', message), isOptional: true }
}

function failure(error: unknown, operation: string, store: Store, signal: AbortSignal): SluiceError {
  if (!signal.aborted) return error instanceof SluiceError ? known(error) : sourceError(error, operation, store)
  return new SluiceError('SOURCE_UNAVAILABLE', `no response to ${operation} on bucket ${store.bucket} in time`)
}

/** A host name that does not exist is a mistake here: no run has reached the store. */
function known(error: SluiceError): SluiceError {
  const found = withKnownHost(error)
  return found instanceof SluiceError ? asSourceError(found) : error
}
