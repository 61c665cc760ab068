import { createHmac } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { NO_DEDUP_BUCKET } from '../../record/batch.ts'
import type { Batch, DedupKey, Reject } from '../../record/batch.ts'
import { NO_GROUP } from '../../record/rebuild.ts'
import { LineFault } from '../../record/scan.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import { formatRejectId } from './reject-id.ts'
import type { RejectId } from './reject-id.ts'

/** How a line that does not parse is recorded: by its length and digest only, or as a whole. */
export type UnparsedLines = 'digest' | 'keep'

interface LineOptions {
  readonly id: RejectId
  readonly digestKey: Buffer
  readonly unparsed: UnparsedLines
  /** The batch is a chunk of a split batch. */
  readonly isChunk: boolean
  /** The record is known to be one of several that were made from the same source record. */
  readonly isPart: boolean
}

/**
 * One line of the dead-letter queue: `{ id, code, stage, detail?, origin, line, length, digest?,
 * dedupKey?, part?, record? }`. `record` is the record as the rejecting stage got it, with the
 * pipeline's redactions. `dedupKey` is present if the record had passed `dedup`. `part` is true if
 * other records may have been made from the same source record.
 *
 * A line that does not parse has no `record`, because redaction cannot find anything in it. Its
 * `digest` is keyed with a secret of the state: a plain hash of a short line could be guessed. With
 * `unparsed: keep` it has `text`, or `base64` if it is not UTF-8, unless it was too long for the
 * source to keep.
 */
export function rejectLine(
  batch: Batch,
  reject: Reject,
  { id, digestKey, unparsed, isChunk, isPart }: LineOptions,
): Buffer {
  const { record, code, stage, detail, origin, line, length, digest } = reject
  const facts = {
    code,
    stage,
    detail: detail === undefined ? undefined : hideSecrets(detail),
    origin: hideSecrets(origin),
    line,
    length,
  }
  const keyed = digest === undefined ? undefined : keyedDigest(digest, digestKey)
  const read = { id: formatRejectId(id), ...facts, digest: keyed }
  if (record < 0) return lineOf(read)
  const part = isPart || hasSiblings(batch, record, isChunk)
  const known = { ...read, dedupKey: dedupKeyOf(batch, record), ...(part && { part }) }
  if (batch.fault(record) !== LineFault.none) {
    return lineOf(unparsed === 'keep' ? { ...known, ...contentOf(batch.line(record)) } : known)
  }
  return Buffer.concat([Buffer.from(`${JSON.stringify(known).slice(0, -1)}${RECORD}`), batch.line(record), CLOSE])
}

/** The text of `record` in a line of `rejectLine`; undefined if the line has no record. */
export function recordOf(line: string): string | undefined {
  // Quotes in the strings before it are escaped, so the first match is the member itself.
  const start = line.indexOf(RECORD)
  return start < 0 ? undefined : line.slice(start + RECORD.length, -1)
}

/** A line of `rejectLine` without its record, as JSON: records can be large. */
export function withoutRecord(line: Buffer): string {
  const start = line.indexOf(RECORD)
  return start < 0 ? line.toString() : `${line.toString('utf8', 0, start)}}`
}

/** Parses `dedupKey` of a line. Undefined if the text is not a dedup key. */
export function parseDedupKey(text: string): DedupKey | undefined {
  const [, hex, bucket] = /^([0-9a-f]{32}):(-?\d+)?$/.exec(text) ?? []
  if (hex === undefined) return undefined
  const bytes = Buffer.from(hex, 'hex')
  const key = Uint32Array.from({ length: 4 }, (_, word) => bytes.readUInt32BE(4 * word))
  return { key, bucket: bucket === undefined ? NO_DEDUP_BUCKET : Number(bucket) }
}

/** HMAC-SHA-256 of the SHA-256 of the line. Equal lines of one state have equal digests. */
function keyedDigest(digest: string, key: Buffer): string {
  return createHmac('sha256', key).update(`reject ${digest}`).digest('hex')
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

/** True if in doubt: siblings may be in the previous or the next chunk. */
function hasSiblings(batch: Batch, record: number, isChunk: boolean): boolean {
  const group = batch.groupOf(record)
  if (group === NO_GROUP) return false
  const isBefore = record === 0 ? isChunk : batch.groupOf(record - 1) === group
  const isAfter = record === batch.count - 1 ? isChunk : batch.groupOf(record + 1) === group
  return isBefore || isAfter
}
