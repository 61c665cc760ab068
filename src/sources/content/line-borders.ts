import { LINE_FEED, NUL } from '../../record/json/ascii.ts'
import { isBlank } from '../../record/lines/line-splitter.ts'

interface Cutting {
  /** The bytes to divide: `start` is the start of a line. */
  readonly start: number
  readonly end: number
  /** Wanted bytes of a range. */
  readonly partBytes: number
  /** Reads so many bytes from an offset; fewer only at the end of the content. */
  readonly read: (offset: number, bytes: number) => Promise<Buffer>
}

/** Bytes from `start` to before `end`. */
export interface Range {
  readonly start: number
  readonly end: number
}

/**
 * Divides plain NDJSON into ranges of about the same size. Each but the last ends after a line feed,
 * so the ranges hold the lines of the whole, and the byte before a range is a line feed. Only a
 * little is read around each border. A border within a long line moves to the end of that line; when
 * too much was read without a line feed, the rest is one range.
 *
 * NUL bytes end lines too, but nothing is cut there: the line feed after one belongs to the same line.
 */
export async function* cutAtLines({ start, end, partBytes, read }: Cutting): AsyncGenerator<Range, void> {
  const count = Math.max(1, Math.round((end - start) / partBytes))
  const size = (end - start) / count
  let from = start
  let budget = MAX_SEARCHED
  for (let number = 1; number < count; number++) {
    const nominal = Math.round(start + number * size)
    if (nominal <= from) continue
    const border = await findBorder(nominal, Math.min(end, nominal + budget), read)
    if (border === undefined || border >= end) break
    budget -= Math.max(0, border - nominal - WINDOW_BYTES)
    yield { start: from, end: border }
    from = border
  }
  yield { start: from, end }
}

/** Bytes read at a time while searching a line feed. */
const WINDOW_BYTES = 64 * 1024

/** Bytes without a line feed after which the search ends, in all of a file. */
const MAX_SEARCHED = 64 * 1024 * 1024

/** The first start of a line at `nominal` or after it; undefined if there is none before `limit`. */
async function findBorder(nominal: number, limit: number, read: Cutting['read']): Promise<number | undefined> {
  for (let at = nominal - 1; at < limit;) {
    const window = await read(at, Math.min(WINDOW_BYTES, limit - at))
    if (window.length === 0) return undefined
    for (let found = window.indexOf(LINE_FEED); found >= 0; found = window.indexOf(LINE_FEED, found + 1)) {
      if (endsLine(window, found)) return at + found + 1
    }
    at += window.length
  }
  return undefined
}

/** False if a NUL byte before the line feed may have ended the line. */
function endsLine(window: Buffer, lineFeed: number): boolean {
  let at = lineFeed - 1
  while (isBlank(window[at])) at--
  return at >= 0 && window[at] !== NUL
}
