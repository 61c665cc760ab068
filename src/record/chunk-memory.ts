/** Size of a chunk in bytes. Only a longer line makes a longer chunk. */
export const CHUNK_BYTES = 512 * 1024

/**
 * Acquires memory for the bytes of a chunk. The memory is pooled, because new memory for each chunk
 * costs as much as the scan of the chunk. Memory that is never released is garbage-collected like
 * any other.
 */
export function acquireBuffer(): Buffer {
  return Buffer.from(acquire())
}

/** Acquires at least so many bytes for changed lines. More than twice a chunk is not pooled. */
export function acquireBytes(length: number): Buffer {
  if (length <= CHUNK_BYTES) return acquireBuffer()
  if (length > 2 * CHUNK_BYTES) return Buffer.allocUnsafeSlow(length)
  return Buffer.from(acquire(freeDoubles, 2 * CHUNK_BYTES))
}

/**
 * Acquires memory for an index. It is not cleared. Small memory, and memory larger than a chunk, is
 * not pooled.
 */
export function acquireWords(length: number): Uint32Array {
  return 4 * length < WORTH_POOLING || 4 * length > CHUNK_BYTES
    ? new Uint32Array(length)
    : new Uint32Array(acquire(), 0, length)
}

/**
 * Returns memory to the pool. Call it when nothing reads this view, or any other view of the same
 * memory, any more: a later chunk overwrites it. No-op for memory that is not from the pool or was
 * already released.
 */
export function release({ buffer }: ArrayBufferView): void {
  const pool = buffer.byteLength === CHUNK_BYTES ? free : freeDoubles
  if (acquired.delete(buffer) && pool.length < MAX_FREE) pool.push(buffer)
}

/** One pipeline never has more in use: two per stream, and the chunk that is being filled. */
const MAX_FREE = 16

/**
 * From this size on, new memory may consist of untouched pages, and each page costs a fault.
 * Smaller memory usually comes from freed memory.
 */
const WORTH_POOLING = 64 * 1024

const free: ArrayBufferLike[] = []
const freeDoubles: ArrayBufferLike[] = []
const acquired = new WeakSet<ArrayBufferLike>()

function acquire(pool = free, bytes = CHUNK_BYTES): ArrayBufferLike {
  const buffer = pool.pop() ?? Buffer.allocUnsafeSlow(bytes).buffer
  acquired.add(buffer)
  return buffer
}
