import { asSluiceError, SluiceError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { ApiError } from './shapes.ts'

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

/** @throws Refused unless something may be changed */
export function requireEdit(edit: boolean, what: string): void {
  if (!edit)
    throw new Refused(403, 'USAGE', `this page is read-only: it cannot ${what}`, {
      hint: 'start it with `sluice ui --edit`',
    })
}

/** An error as the API answers it. @param code of an error that has none */
export function describeFailure(thrown: unknown, code: ErrorCode = 'INTERNAL'): ApiError {
  const error = asSluiceError(thrown, code, thrown instanceof Error ? thrown.message : String(thrown))
  const { message, hint } = error
  return { error: { code: error.code, message, ...(hint !== undefined && { hint }) } }
}
