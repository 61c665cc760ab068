import { LINE_FEED } from '../../record/json/ascii.ts'
import { minify } from '../../record/json/minify.ts'
import { Paths } from '../../record/paths/path.ts'
import { FAULT_MASK, HIT_STRIDE, LineFault, RECORD_STRIDE, scan } from '../../record/scan.ts'
import type { RecordIndex, ScanLimits } from '../../record/scan.ts'
import type { Parsed } from './pairs.ts'

/**
 * Checks JSON texts with the scanner that checks records: the same grammar, and the nesting that the
 * record has room for. The result keeps the spelling of the text; only a text of several lines
 * loses the space between its values.
 */
export class JsonChecker {
  readonly #paths = new Paths()
  readonly #value = this.#paths.add('[""]')
  readonly #limits: ScanLimits

  /** @param maxDepth How deeply a value may be nested. */
  constructor(maxDepth: number) {
    // One level more for the wrapper. The texts were in lines within the limits.
    this.#limits = { maxDepth: maxDepth + 1, maxLine: Infinity }
  }

  /** Checks all texts, in one scan if possible. */
  check(texts: readonly string[]): Parsed[] {
    const values = texts.map(toLine)
    const bytes = Buffer.concat(values.flatMap((value) => [PREFIX, value, SUFFIX]))
    const results: Parsed[] = []
    for (let at = 0; at < bytes.length;) {
      const index = scan(bytes.subarray(at), this.#paths, this.#limits)
      for (let record = 0; record < index.count; record++) {
        results.push(this.#resultOf(index, record, values[results.length]))
      }
      at += index.scanned
    }
    return results
  }

  #resultOf({ records, hits, columns, pathCount }: RecordIndex, record: number, json: Buffer): Parsed {
    const fault = records[RECORD_STRIDE * record + 3] & FAULT_MASK
    if (fault === LineFault.depth) return { problem: 'it is nested deeper than limits.maxDepth allows' }
    const hit = columns[record * pathCount + this.#value.id] - 1
    if (fault !== LineFault.none || hit < 0) return NOT_JSON
    // `1,"b":2` fits into the wrapper too.
    const start = records[RECORD_STRIDE * record] + PREFIX.length
    const isWhole = hits[HIT_STRIDE * hit + 2] === start && hits[HIT_STRIDE * hit + 3] === start + json.length
    return isWhole ? { json } : NOT_JSON
  }
}

const NOT_JSON: Parsed = { problem: 'it is not JSON' }

/** A record is an object. */
const PREFIX = Buffer.from('{"":')
const SUFFIX = Buffer.from('}\n')

const BYTE_ORDER_MARK = '\ufeff'
/** A surrogate without its other half. UTF-8 has no bytes for it, but JSON has an escape. */
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** A text as bytes without a line feed; if it is not JSON, perhaps nothing. */
function toLine(text: string): Buffer {
  const json = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
  const escaped = json.replace(LONE_SURROGATE, (half) => `\\u${half.charCodeAt(0).toString(16)}`)
  const trimmed = Buffer.from(escaped.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, ''))
  if (!trimmed.includes(LINE_FEED)) return trimmed
  const line = minify(trimmed)
  // A line feed is in a string, where JSON has none.
  return line.includes(LINE_FEED) ? NOTHING : line
}

const NOTHING = Buffer.alloc(0)
