/** Size of a run in bytes; only a longer line makes a longer run. */
export const CHUNK_BYTES = 512 * 1024

/**
 * Memory for the bytes of a run. New memory for each run would cost as much as scanning it, and keep the garbage collector busy: so it is used
 * again when it is given back. What nobody gives back is collected as any other memory.
 */
export function acquireBuffer(): Buffer {
  return Buffer.from(acquire())
}

/** Memory for the index of a run, not cleared. Memory that is small, or larger than the pool has, is always new. */
export function acquireWords(length: number): Uint32Array {
  return 4 * length < WORTH_POOLING || 4 * length > CHUNK_BYTES
    ? new Uint32Array(length)
    : new Uint32Array(acquire(), 0, length)
}

/**
 * Says that nobody reads these bytes or numbers any more, nor any others in the same memory: a later run overwrites them. Memory that was not lent, or
 * is back already, is left alone.
 */
export function release({ buffer }: ArrayBufferView): void {
  if (acquired.delete(buffer) && free.length < MAX_FREE) free.push(buffer)
}

/** No more are under way in one pipeline: two for each of its streams, and the run that is being filled. */
const MAX_FREE = 16

/** New memory of this size may be pages that were never touched, and the processor faults on each of them; less comes from what was freed before. */
const WORTH_POOLING = 64 * 1024

const free: ArrayBufferLike[] = []
const acquired = new WeakSet<ArrayBufferLike>()

function acquire(): ArrayBufferLike {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES).buffer
  acquired.add(buffer)
  return buffer
}
