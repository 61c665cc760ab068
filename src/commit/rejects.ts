import { isUtf8 } from 'node:buffer'
import type { Batch, Reject } from '../record/batch.ts'
import { Fault } from '../record/scan.ts'

/** What is written of a line that does not parse: nothing but its length and digest, or all of it. */
export type Unparsed = 'digest' | 'keep'

/**
 * One line of the rejects: `{ code, stage, detail?, origin, line, length, digest?, record? }`. `record` is the record as it stands, with the
 * pipeline's redactions. A line that does not parse has none: no redaction could find anything in it. With `unparsed: keep` it has `text`, or
 * `base64` where it is not UTF-8, unless it was too long for the source to keep.
 */
export function rejectLine(batch: Batch, reject: Reject, unparsed: Unparsed): Buffer {
  const { record, code, stage, detail, origin, line, length, digest } = reject
  const facts = { code, stage, detail, origin, line, length, digest }
  if (record < 0) return lineOf(facts)
  if (batch.fault(record) !== Fault.none) {
    return lineOf(unparsed === 'keep' ? { ...facts, ...contentOf(batch.line(record)) } : facts)
  }
  return Buffer.concat([Buffer.from(`${JSON.stringify(facts).slice(0, -1)},"record":`), batch.line(record), CLOSE])
}

const CLOSE = Buffer.from('}\n')

function lineOf(facts: object): Buffer {
  return Buffer.from(`${JSON.stringify(facts)}\n`)
}

function contentOf(line: Buffer) {
  return isUtf8(line) ? { text: line.toString() } : { base64: line.toString('base64') }
}
