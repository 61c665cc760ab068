import type { Writable } from 'node:stream'
import { asSluiceError } from '../../errors.ts'

/**
 * Runs an operation of a stream, and calls back when it has ended, also if it throws before it returns
 * its promise. Never rejects.
 */
export async function reply<Value>(
  operation: () => Promise<Value>,
  done: (error: Error | null, value?: Value) => void,
  asError: (reason: unknown) => Error = asFailure,
): Promise<void> {
  const [result] = await Promise.allSettled([new Promise<Value>((resolve) => resolve(operation()))])
  if (result.status === 'fulfilled') done(null, result.value)
  else done(asError(result.reason))
}

function asFailure(reason: unknown): Error {
  return asSluiceError(reason, 'INTERNAL', 'a stream failed')
}

/**
 * Passes a chunk on to a stream. A stream that has just failed refuses the chunk before it emits its
 * error: then that error is reported, and not the refusal.
 */
export function passOn(stream: Writable, chunk: unknown, done: (error: Error | null) => void): void {
  stream.write(chunk, (error) => done(error ? (stream.errored ?? error) : null))
}
