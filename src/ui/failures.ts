import { asSluiceError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { ApiError } from './api.ts'

/** An error as the API answers it. @param code of an error that has none */
export function describeFailure(thrown: unknown, code: ErrorCode = 'INTERNAL'): ApiError {
  const error = asSluiceError(thrown, code, thrown instanceof Error ? thrown.message : String(thrown))
  const { message, hint } = error
  return { error: { code: error.code, message, ...(hint !== undefined && { hint }) } }
}
