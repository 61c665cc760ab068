import type { RejectId } from '../../record/batch.ts'

/** For example `12-3`. */
export function formatRejectId({ epoch, at }: RejectId): string {
  return `${epoch}-${at}`
}

/** Undefined when it is none. */
export function parseRejectId(text: string): RejectId | undefined {
  const [, epoch, at] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? []
  return epoch === undefined ? undefined : { epoch: Number(epoch), at: Number(at) }
}
