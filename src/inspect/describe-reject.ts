import { rejectCodes } from '../errors.ts'
import type { Reject } from '../record/batch.ts'

/**
 * Describes a reject for people: code, stage and reason. Where the stage gives no reason, it is the
 * meaning of the code.
 */
export function describeReject({ code, stage, detail }: Pick<Reject, 'code' | 'stage' | 'detail'>): string {
  const meanings: { readonly [code: string]: string | undefined } = rejectCodes
  const reason = detail ?? meanings[code]
  return `rejected: ${code} (${stage})${reason === undefined ? '' : ` ${reason}`}`
}
