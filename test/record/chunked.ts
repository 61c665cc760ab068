import type { LineChunk } from '../../src/record/lines/chunk-builder.ts'

/** The same bytes in chunks that end at some places; places beyond the end count from the start again. */
export function atBorders(bytes: Buffer, borders: readonly number[]): Buffer[] {
  const places = [...new Set(borders.map((border) => border % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [...places, bytes.length].map((end, i) => bytes.subarray(places[i - 1] ?? 0, end))
}

/** Overwrites each chunk after it was used, as a reader does that fills its buffer again. */
export function* reusing(chunks: Iterable<Buffer>): Generator<Buffer> {
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    yield copy
    copy.fill('~')
  }
}

/** Line number -> text without its line feed, or length and digest of a line that was skipped. Fails where numbers do not follow each other. */
export function joinRuns(runs: Iterable<Pick<LineChunk, 'bytes' | 'line' | 'skipped'>>): Map<number, string> {
  const lines = new Map<number, string>()
  const add = (line: number, text: string) => {
    if (lines.size > 0 && !lines.has(line - 1)) throw new Error(`line ${line} does not follow the line before it`)
    if (lines.has(line)) throw new Error(`line ${line} came twice`)
    lines.set(line, text)
  }
  for (const { bytes, line, skipped } of runs) {
    const texts = bytes.toString().split('\n')
    if (texts.pop() !== '') throw new Error('a run does not end in a line feed')
    for (const [i, text] of texts.entries()) add(line + i, text)
    for (const { line: number, length, digest } of skipped) add(number, `${length} ${digest}`)
  }
  return lines
}
