import { rejectCodes } from '../errors.ts'
import { hideSecrets } from '../observe/secrets.ts'

/**
 * True for text that can be a reject code: `NO_OWNER`. Custom code chooses codes, which are shown
 * and counted everywhere, so they must not be content of a record or a secret.
 */
export function isRejectCode(code: unknown): boolean {
  if (typeof code !== 'string') return false
  return code in rejectCodes || (/^[A-Z][A-Z0-9_]{0,63}$/.test(code) && hideSecrets(code) === code)
}

/** Replaces a code that is none. Does not repeat it. */
export const NOT_A_CODE = 'the reject code is not written like NO_OWNER (A-Z, 0-9 and _, at most 64 characters)'

/** The detail of a reject, cut to a length that nobody needs to exceed. */
export function detailOf(detail: unknown): string {
  const text = typeof detail === 'string' ? hideSecrets(detail) : `a detail of type ${typeof detail}`
  return text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text
}

/** Characters. */
const MAX_DETAIL = 500
