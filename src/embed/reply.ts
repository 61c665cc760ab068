import { asSluiceError } from '../errors.ts'

/** Runs an operation of a stream, and calls back when it has ended. Never rejects. */
export async function reply(operation: () => Promise<void>, done: (error?: Error | null) => void): Promise<void> {
  // Also catches what it throws before it returns its promise.
  const [result] = await Promise.allSettled([Promise.resolve().then(operation)])
  if (result.status === 'fulfilled') done()
  else done(asSluiceError(result.reason, 'INTERNAL', 'a stream failed'))
}
