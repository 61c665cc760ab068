import type { SourcePart } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { ObjectPosition, S3Position } from './position.ts'
import { isObjectPosition, isS3Position } from './position.ts'

/** What a part of an object needs to be read, and to be counted as read. */
export type PartDetail = {
  readonly key: string
  readonly etag?: string
  readonly version?: string
  /** Of the whole object. */
  readonly bytes: number
  readonly modified: number
  readonly turn: 'listed' | 'again'
  /** Where reading resumes in an object that was read in part. */
  readonly from?: ObjectPosition
  /** A range of lines. Absent: the start, and the end, of the object. */
  readonly start?: number
  readonly end?: number
  /** In the first part of a plan. */
  readonly plan?: Plan
}

/** What the position after the plan depends on. */
export type Plan = {
  /** When the list began, in milliseconds since 1970. */
  readonly now: number
  readonly saved?: S3Position
}

/** The position of the last chunk of a part. */
export type PartEnd = { readonly done: ObjectPosition } | { readonly failed: ObjectPosition }

/** @throws SluiceError INPUT_CORRUPT for a part that this version has not planned */
export function detailOf({ input, detail }: Pick<SourcePart, 'input' | 'detail'>): PartDetail {
  if (isPartDetail(detail)) return detail
  throw new SluiceError('INPUT_CORRUPT', `the plan of "${input}" is not one of this version`, {
    hint: 'cancel the run and plan it again: sluice runs cancel PIPELINE',
  })
}

function isPartDetail(detail: unknown): detail is PartDetail {
  if (typeof detail !== 'object' || detail === null) return false
  const { key, bytes, modified, turn, from, plan }: { readonly [name: string]: unknown } = { ...detail }
  return (
    typeof key === 'string' &&
    Number.isInteger(bytes) &&
    typeof modified === 'number' &&
    (turn === 'listed' || turn === 'again') &&
    (from === undefined || isObjectPosition(from)) &&
    (plan === undefined || isPlan(plan))
  )
}

function isPlan(plan: unknown): boolean {
  if (typeof plan !== 'object' || plan === null) return false
  const { now, saved }: { readonly [name: string]: unknown } = { ...plan }
  return typeof now === 'number' && (saved === undefined || isS3Position(saved))
}

export function isPartEnd(end: unknown): end is PartEnd {
  if (typeof end !== 'object' || end === null) return false
  const { done, failed }: { readonly [name: string]: unknown } = { ...end }
  return isObjectPosition(done) || isObjectPosition(failed)
}
