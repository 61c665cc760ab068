/** Joins texts into UTF-8 chunks of at most `size` bytes. A larger text is a chunk of its own. */
export function* encodeChunks(texts: Iterable<string>, size: number): Generator<Buffer> {
  let chunk = Buffer.allocUnsafe(size)
  let used = 0
  for (const text of texts) {
    const most = text.length * MAX_BYTES_PER_UNIT
    if (used > 0 && most > size - used) {
      yield chunk.subarray(0, used)
      chunk = Buffer.allocUnsafe(size)
      used = 0
    }
    if (most > size) yield Buffer.from(text)
    else used += chunk.write(text, used)
  }
  if (used > 0) yield chunk.subarray(0, used)
}

/** Maximum UTF-8 bytes per UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3
