import type { LineChunk } from '../../src/record/lines/splitter.ts'

/** Splits the bytes at the given offsets. An offset beyond the end wraps around. */
export function splitAt(bytes: Buffer, offsets: readonly number[]): Buffer[] {
  const ends = [...new Set(offsets.map((offset) => offset % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

/** Overwrites each part after its use, like a reader that reuses its buffer. */
export function* overwritten(parts: Iterable<Buffer>): Generator<Buffer> {
  for (const part of parts) {
    const copy = Buffer.from(part)
    yield copy
    copy.fill('~')
  }
}

/**
 * Line number -> text without its line feed, or length and digest of a skipped line. Throws if line
 * numbers are not consecutive.
 */
export function linesOf(chunks: Iterable<Pick<LineChunk, 'bytes' | 'line' | 'skipped'>>): Map<number, string> {
  const lines = new Map<number, string>()
  const add = (line: number, text: string) => {
    if (lines.size > 0 && !lines.has(line - 1)) throw new Error(`line ${line} does not follow the line before it`)
    if (lines.has(line)) throw new Error(`line ${line} appears twice`)
    lines.set(line, text)
  }
  for (const { bytes, line, skipped } of chunks) {
    const texts = bytes.toString().split('\n')
    if (texts.pop() !== '') throw new Error('a chunk does not end in a line feed')
    for (const [i, text] of texts.entries()) add(line + i, text)
    for (const { line: number, length, digest } of skipped) add(number, `${length} ${digest}`)
  }
  return lines
}
