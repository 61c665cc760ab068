import { SluiceError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { DescribedCause, describeCauses } from '../runtime/causes.ts'

/** An error of an executor, as JSON. */
export interface ShardFailure {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  readonly retryable: boolean
  readonly causes: readonly string[]
}

/** Describes an error for the coordinator, which is another thread or another process. */
export function failureOf(error: SluiceError): ShardFailure {
  const { code, message, hint, retryable } = error
  return { code, message, retryable, causes: describeCauses(error), ...(hint !== undefined && { hint }) }
}

/** The error that `failureOf` has described. */
export function errorOf({ code, message, hint, retryable, causes }: ShardFailure): SluiceError {
  const cause = causes.reduceRight<Error | undefined>(
    (next, text) => new DescribedCause(text, { cause: next }),
    undefined,
  )
  return new SluiceError(code, message, { retryable, ...(hint !== undefined && { hint }), ...(cause && { cause }) })
}
