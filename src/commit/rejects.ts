import type { Batch, Reject } from '../record/batch.ts'
import { Fault } from '../record/scan.ts'

/**
 * One line of a rejects object: `{ code, stage, detail?, origin, line, length, digest?, record? }`. `record` is the record as it stands, with
 * the pipeline's redactions; a line that does not parse has none, only its length and digest.
 */
export function rejectLine(batch: Batch, reject: Reject): Buffer {
  const { record, code, stage, detail, origin, line, length, digest } = reject
  const facts = JSON.stringify({ code, stage, detail, origin, line, length, digest })
  if (record < 0 || batch.fault(record) !== Fault.none) return Buffer.from(`${facts}\n`)
  return Buffer.concat([Buffer.from(`${facts.slice(0, -1)},"record":`), batch.line(record), CLOSE])
}

const CLOSE = Buffer.from('}\n')
