import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/**
 * Reads a small file: a key, a token, a certificate. A FIFO or a device does not block, and an
 * endless file does not fill the memory.
 * @returns why the file is refused, as the end of a sentence, or its text
 * @throws a system error if it cannot be opened or read
 */
export function readSmallFile(
  path: string,
  maxBytes: number,
): { readonly text: string } | { readonly refused: string } {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const stats = fstatSync(file)
    if (stats.isDirectory()) return { refused: 'is a folder' }
    if (!stats.isFile()) return { refused: 'is not a regular file' }
    if (stats.size > maxBytes) return { refused: `has ${stats.size} bytes, but the limit is ${maxBytes}` }
    // The size of a file in /proc is 0, and any file may grow.
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    for (let more = -1; more !== 0 && length < bytes.length; length += more) {
      more = readSync(file, bytes, length, bytes.length - length, null)
    }
    if (length > maxBytes) return { refused: `has more than ${maxBytes} bytes, which is the limit` }
    return { text: bytes.toString('utf8', 0, length) }
  } finally {
    closeSync(file)
  }
}
