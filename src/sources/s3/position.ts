import type { PositionSummary } from '../../component.ts'
import { formatBytes, plural } from '../../observe/report.ts'
import type { Json } from '../../record/json/json.ts'
import { isContentPosition } from '../content/position.ts'
import type { ContentPosition } from '../content/position.ts'

/**
 * How far a path was read. Its size does not depend on the number of objects: it has a key, and what
 * a look-back needs to know.
 */
export type S3Position = {
  /** Keys up to this one were read, except late ones. */
  readonly after?: string
  /** When the last complete list began that found late keys, in milliseconds since 1970. */
  readonly listedAt?: number
  /** All keys that were read and modified since this time are in `seen`. */
  readonly lateFrom?: number
  /** A list from the first key on that is not finished: when it began, and how far it is. */
  readonly pass?: { readonly started: number; readonly at?: string }
  /** An object that is read in part. */
  readonly object?: ObjectPosition
  /** See `SeenKeys`. */
  readonly seen?: string
  /** Objects that could not be read, or not to their end. The next run tries them again. */
  readonly failed?: readonly ObjectPosition[]
}

export type ObjectPosition = {
  readonly key: string
  readonly etag?: string
  readonly bytes: number
  readonly isCompressed?: boolean
  /** Where reading resumes; absent: at the start. */
  readonly content?: ContentPosition
}

/** A state can contain positions of other versions and other sources. */
export function isS3Position(position: unknown): position is S3Position {
  if (!isRecord(position)) return false
  const { after, listedAt, lateFrom, pass, object, seen, failed } = position
  return (
    isOptional(after, 'string') &&
    isOptional(listedAt, 'number') &&
    isOptional(lateFrom, 'number') &&
    isOptional(seen, 'string') &&
    (pass === undefined ||
      (isRecord(pass) && typeof pass['started'] === 'number' && isOptional(pass['at'], 'string'))) &&
    (object === undefined || isObjectPosition(object)) &&
    (failed === undefined || (Array.isArray(failed) && failed.every(isObjectPosition)))
  )
}

export function isObjectPosition(value: unknown): value is ObjectPosition {
  if (!isRecord(value)) return false
  const { key, etag, bytes, content } = value
  return (
    typeof key === 'string' &&
    Number.isInteger(bytes) &&
    isOptional(etag, 'string') &&
    (content === undefined || isContentPosition(content))
  )
}

function isOptional(value: unknown, type: 'string' | 'number'): boolean {
  return value === undefined || typeof value === type
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function describePosition(position: Json): PositionSummary {
  if (!isS3Position(position)) return {}
  return {
    // Called for each chunk, by callers that want a time only.
    get detail() {
      const { after, pass, object, failed = [] } = position
      const parts = [after === undefined ? 'no key read to its end' : `keys up to ${after}`]
      if (object?.content !== undefined) {
        const { offset, line } = object.content
        parts.push(`${plural(line, 'line')}, ${formatBytes(offset)} of the content of ${object.key}`)
      }
      if (pass !== undefined) parts.push(`a list is at ${pass.at ?? 'the first key'}`)
      if (failed.length > 0) parts.push(`${plural(failed.length, 'object')} failed and will be tried again`)
      return parts.join('; ')
    },
  }
}

/**
 * Records since a time are in objects that were modified since then: the next list takes all of
 * those, as if they were late.
 */
export function rewind(position: Json, to: number): { readonly position: Json; readonly by: number } | undefined {
  if (!isS3Position(position)) return undefined
  const { after, listedAt, pass, failed } = position
  const reached = listedAt ?? pass?.started
  if (reached === undefined) return undefined
  return {
    position: { ...(after !== undefined && { after }), lateFrom: to, ...(failed && { failed: [...failed] }) },
    by: reached - to,
  }
}
