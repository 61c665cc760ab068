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
