import { SluiceError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { DescribedCause, describeCauses } from './causes.ts'

/** An error of another thread or another process, as JSON. */
export interface SentError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  readonly retryable: boolean
  readonly causes: readonly string[]
}

/** Describes an error for another thread or another process. */
export function sentError(error: SluiceError): SentError {
  const { code, message, hint, retryable } = error
  return { code, message, retryable, causes: describeCauses(error), ...(hint !== undefined && { hint }) }
}

/** The error that `sentError` has described. */
export function receivedError({ code, message, hint, retryable, causes }: SentError): SluiceError {
  const cause = causes.reduceRight<Error | undefined>(
    (next, text) => new DescribedCause(text, { cause: next }),
    undefined,
  )
  return new SluiceError(code, message, { retryable, ...(hint !== undefined && { hint }), ...(cause && { cause }) })
}
