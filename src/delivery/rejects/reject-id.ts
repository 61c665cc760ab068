/**
 * Identifies a local reject: the epoch that rejected the record, and its number in that epoch, from
 * 0.
 */
export interface RejectId {
  readonly epoch: number
  readonly at: number
}

/** For example `12-3`. */
export function formatRejectId({ epoch, at }: RejectId): string {
  return `${epoch}-${at}`
}

/** Undefined if the text is not a reject id. */
export function parseRejectId(text: string): RejectId | undefined {
  const [, epoch, at] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? []
  return epoch === undefined ? undefined : { epoch: Number(epoch), at: Number(at) }
}

/** A reject was rejected later than another one. */
export function isNewer({ epoch, at }: RejectId, other: RejectId): boolean {
  return epoch > other.epoch || (epoch === other.epoch && at > other.at)
}
