import type { IncomingHttpHeaders } from 'node:http'
import type { Call } from '../call.ts'
import { accessDenied, textHeader } from '../call.ts'
import { S3Error } from '../protocol/errors.ts'
import type { ObjectEntry } from '../store.ts'

/**
 * Checks If-None-Match and If-Match of a Put, Copy or Complete. The check is atomic only without an
 * `await` between it and the write.
 *
 * @throws S3Error PreconditionFailed, NoSuchKey, NotImplemented, AccessDenied
 */
export function checkWriteConditions({ headers, settings }: Call, existing: ObjectEntry | undefined): void {
  if (settings.ignoreConditions) return
  const ifNoneMatch = textHeader(headers, 'if-none-match')
  const ifMatch = textHeader(headers, 'if-match')
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented')
  }
  if (ifNoneMatch === '*' && existing) throw preconditionFailed('If-None-Match')
  if (ifMatch === undefined) return
  if (settings.denyRead) throw accessDenied()
  if (!existing) throw new S3Error('NoSuchKey', 'The specified key does not exist.')
  if (!listsEtag(ifMatch, existing)) throw preconditionFailed('If-Match')
}

/**
 * Checks the conditions of a Get or Head in the order of RFC 9110.
 *
 * @throws S3Error PreconditionFailed
 */
export function readCondition(headers: IncomingHttpHeaders, object: ObjectEntry): 'ok' | 'notModified' {
  const ifMatch = textHeader(headers, 'if-match')
  const ifNoneMatch = textHeader(headers, 'if-none-match')
  const modified = Math.floor(object.lastModified.getTime() / 1000) * 1000
  if (ifMatch !== undefined) {
    if (!listsEtag(ifMatch, object)) throw preconditionFailed('If-Match')
  } else if (modified > Date.parse(textHeader(headers, 'if-unmodified-since') ?? '')) {
    throw preconditionFailed('If-Unmodified-Since')
  }
  if (ifNoneMatch !== undefined) return listsEtag(ifNoneMatch, object) ? 'notModified' : 'ok'
  return modified <= Date.parse(textHeader(headers, 'if-modified-since') ?? '') ? 'notModified' : 'ok'
}

function listsEtag(header: string, { etag }: ObjectEntry): boolean {
  return header
    .split(',')
    .map((text) => text.trim())
    .some((text) => text === '*' || text === etag || `"${text}"` === etag)
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error(
    'PreconditionFailed',
    `At least one of the pre-conditions you specified did not hold: ${condition}`,
  )
}
