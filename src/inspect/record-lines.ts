import { LINE_FEED } from '../record/json/ascii.ts'

/** A line of NDJSON. */
export interface RecordLine {
  /** Without its line feed. */
  readonly bytes: Buffer
  /** From 1. */
  readonly line: number
}

/** The lines of NDJSON that are records, or should be: those that are not empty. */
export function recordLines(bytes: Buffer): RecordLine[] {
  const lines: RecordLine[] = []
  for (let from = 0, line = 1; from < bytes.length; line++) {
    const end = bytes.indexOf(LINE_FEED, from)
    const to = end < 0 ? bytes.length : end
    if (bytes.subarray(from, to).some((byte) => byte > SPACE)) lines.push({ bytes: bytes.subarray(from, to), line })
    from = to + 1
  }
  return lines
}

const SPACE = 0x20
