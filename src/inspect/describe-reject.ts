import { rejectCodes } from '../errors.ts'
import type { Reject } from '../record/batch.ts'

/**
 * Describes a reject for people: code, stage and reason. Where the stage gives no reason, it is the
 * meaning of the code.
 */
export function describeReject(reject: Pick<Reject, 'code' | 'stage' | 'detail'>): string {
  const { code, stage } = reject
  const reason = reasonOf(reject)
  return `rejected: ${code} (${stage})${reason === undefined ? '' : ` ${reason}`}`
}

/** What the stage says, or the meaning of the code; undefined for the code of a custom transform without either. */
export function reasonOf({ code, detail }: Pick<Reject, 'code' | 'detail'>): string | undefined {
  const meanings: { readonly [code: string]: string | undefined } = rejectCodes
  return detail ?? meanings[code]
}
