import { SluiceError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

/** A request that is answered with a status of its own. */
export class Refused extends SluiceError {
  /** HTTP status. */
  readonly statusCode: number

  constructor(statusCode: number, code: ErrorCode, message: string, options: { readonly hint?: string } = {}) {
    super(code, message, options)
    this.statusCode = statusCode
  }
}

/** HTTP status of an error that has none: by who can do something about it. */
export function statusOfError({ code }: { readonly code: string }): number {
  if (code === 'PIPELINE_NOT_FOUND' || code === 'STATE_NOT_FOUND') return 404
  if (code === 'STATE_IN_USE' || code === 'STATE_MISMATCH') return 409
  // A file that the request names has been looked at before: this is one of the server.
  return code === 'INTERNAL' || code === 'FILE_NOT_FOUND' ? 500 : 422
}
