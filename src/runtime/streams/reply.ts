import type { Writable } from 'node:stream'

/** Reports the result of an operation to a stream that waits for a callback. */
export async function reply<Value>(
  operation: Promise<Value>,
  done: (error: Error | null, value?: Value) => void,
  asError: (reason: unknown) => Error,
): Promise<void> {
  const [result] = await Promise.allSettled([operation])
  if (result.status === 'fulfilled') done(null, result.value)
  else done(asError(result.reason))
}

/**
 * Passes a chunk on to a stream. A stream that has just failed refuses the chunk before it emits its
 * error: then that error is reported, and not the refusal.
 */
export function passOn(stream: Writable, chunk: unknown, done: (error: Error | null) => void): void {
  stream.write(chunk, (error) => done(error ? (stream.errored ?? error) : null))
}
