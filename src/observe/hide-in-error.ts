import { SluiceError } from '../errors.ts'
import { hideSecrets } from './secrets.ts'

/**
 * Hides secrets in all texts of an error that leaves Sluice for a program, which will log it: in its
 * message, hint and stack, and in its causes.
 */
export function hideInError(error: SluiceError): SluiceError {
  hideInTexts(error, new Set())
  const { code, retryable, hint, cause, message, stack } = error
  if (hint === undefined || hideSecrets(hint) === hint) return error
  const hidden = new SluiceError(code, message, { cause, retryable, hint: hideSecrets(hint) })
  if (stack !== undefined) hidden.stack = stack
  return hidden
}

function hideInTexts(error: unknown, seen: Set<unknown>): void {
  if (!(error instanceof Error) || seen.has(error)) return
  seen.add(error)
  for (const name of ['message', 'stack'] as const) {
    const text: unknown = Reflect.get(error, name)
    // False for a frozen error: then it stays as it is.
    if (typeof text === 'string' && hideSecrets(text) !== text) Reflect.set(error, name, hideSecrets(text))
  }
  hideInTexts(error.cause, seen)
  if (error instanceof AggregateError) for (const inner of error.errors) hideInTexts(inner, seen)
}
