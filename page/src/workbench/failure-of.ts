import { ApiFailure } from '../api.ts'

/** What is thrown is shown, whatever it is. */
export function failureOf(error: unknown): ApiFailure {
  return error instanceof ApiFailure ? error : new ApiFailure(String(error), { status: 0 })
}
