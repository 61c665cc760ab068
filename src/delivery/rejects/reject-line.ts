import { isUtf8 } from 'node:buffer'
import { NO_DEDUP_BUCKET } from '../../record/batch.ts'
import type { Batch, DedupKey, Reject, RejectId } from '../../record/batch.ts'
import { NO_GROUP } from '../../record/rebuild.ts'
import { LineFault } from '../../record/scan.ts'
import { formatRejectId } from './reject-id.ts'

/** What is written of a line that does not parse: nothing but its length and digest, or all of it. */
export type Unparsed = 'digest' | 'keep'

interface LineOptions {
  readonly id: RejectId
  readonly unparsed: Unparsed
  /** The batch is a chunk of one that was split. */
  readonly isPiece: boolean
}

/**
 * One line of the rejects: `{ id, code, stage, detail?, origin, line, length, digest?, claim?, part?, record? }`. `record` is the record as it
 * stands, with the pipeline's redactions. A line that does not parse has none: no redaction could find anything in it. With `unparsed: keep` it
 * has `text`, or `base64` where it is not UTF-8, unless it was too long for the source to keep. `claim` is what `dedup` knows the record by,
 * if it had passed that; `part` is true when other records were made of the same one.
 */
export function rejectLine(batch: Batch, reject: Reject, { id, unparsed, isPiece }: LineOptions): Buffer {
  const { record, code, stage, detail, origin, line, length, digest } = reject
  const read = { id: formatRejectId(id), code, stage, detail, origin, line, length, digest }
  if (record < 0) return lineOf(read)
  const part = batch.replay?.part === true || isPart(batch, record, isPiece)
  const facts = { ...read, dedupKey: dedupKeyOf(batch, record), ...(part && { part }) }
  if (batch.fault(record) !== LineFault.none) {
    return lineOf(unparsed === 'keep' ? { ...facts, ...contentOf(batch.line(record)) } : facts)
  }
  return Buffer.concat([Buffer.from(`${JSON.stringify(facts).slice(0, -1)}${RECORD}`), batch.line(record), CLOSE])
}

/** The bytes of `record` in a line of `rejectLine`, as text; undefined when it has none. */
export function recordOf(line: string): string | undefined {
  // Quotes within the texts before it are escaped, so it can begin nowhere else.
  const start = line.indexOf(RECORD)
  return start < 0 ? undefined : line.slice(start + RECORD.length, -1)
}

/** Reads `claim` of a line. Undefined when it is none. */
export function parseDedupKey(text: string): DedupKey | undefined {
  const [, hex, bucket] = /^([0-9a-f]{32}):(-?\d+)?$/.exec(text) ?? []
  if (hex === undefined) return undefined
  const bytes = Buffer.from(hex, 'hex')
  const key = Uint32Array.from({ length: 4 }, (_, word) => bytes.readUInt32BE(4 * word))
  return { key, bucket: bucket === undefined ? NO_DEDUP_BUCKET : Number(bucket) }
}

const RECORD = ',"record":'
const CLOSE = Buffer.from('}\n')

function lineOf(facts: object): Buffer {
  return Buffer.from(`${JSON.stringify(facts)}\n`)
}

function contentOf(line: Buffer) {
  return isUtf8(line) ? { text: line.toString() } : { base64: line.toString('base64') }
}

function dedupKeyOf({ digests }: Batch, record: number): string | undefined {
  const key = digests?.keys.subarray(4 * record, 4 * record + 4)
  if (!digests || !key || (key[0] | key[1] | key[2]) === 0) return undefined
  const hex = [...key].map((word) => word.toString(16).padStart(8, '0')).join('')
  const bucket = digests.buckets[record]
  return `${hex}:${bucket === NO_DEDUP_BUCKET ? '' : bucket}`
}

/** In doubt true: siblings may be in the chunk before or behind. */
function isPart(batch: Batch, record: number, isPiece: boolean): boolean {
  const group = batch.groupOf(record)
  if (group === NO_GROUP) return false
  const before = record === 0 ? isPiece : batch.groupOf(record - 1) === group
  const behind = record === batch.count - 1 ? isPiece : batch.groupOf(record + 1) === group
  return before || behind
}
