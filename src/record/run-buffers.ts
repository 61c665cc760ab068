/** Size of a run in bytes; only a longer line makes a longer run. */
export const RUN_BYTES = 512 * 1024

/**
 * Memory for the bytes of a run. New memory for each run would cost as much as scanning it, and keep the garbage collector busy: so it is used
 * again when it is given back. What nobody gives back is collected as any other memory.
 */
export function lendBuffer(): Buffer {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(RUN_BYTES)
  lent.add(buffer.buffer)
  return buffer
}

/**
 * Says that nobody reads these bytes any more, nor any others in the same memory: a later run overwrites them. Memory that does not come from
 * `lendBuffer`, or is back already, is left alone.
 */
export function giveBack({ buffer }: Buffer): void {
  if (lent.delete(buffer) && free.length < MAX_FREE) free.push(Buffer.from(buffer))
}

/** No more are under way in one pipeline: one for each of its streams, and the run that is being filled. */
const MAX_FREE = 8

const free: Buffer[] = []
const lent = new WeakSet<ArrayBufferLike>()
