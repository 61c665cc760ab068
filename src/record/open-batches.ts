import { createHash } from 'node:crypto'
import type { Chunk } from './chunk.ts'
import { SluiceError } from '../errors.ts'
import type { RejectCode } from '../errors.ts'
import { LINE_FEED } from './json/ascii.ts'
import { Batch, RecordState } from './batch.ts'
import type { End, Reject, Replay } from './batch.ts'
import { writeJson } from './json/json-text.ts'
import type { Paths } from './paths/path.ts'
import { Fault, scan } from './scan.ts'
import type { ScanLimits } from './scan.ts'

/** The stage that lines are refused by here. */
export const INGEST_STAGE = 'source'

/** A larger chunk is split, so that a batch stays small whatever a source yields. */
const MAX_BYTES = 2 << 20

const LINE_FEED_BYTES = Buffer.from('\n')

export interface OpenOptions {
  readonly partition: string
  /** Number of the batch, and of all chunks of it where the index is full. */
  readonly number: number
  readonly paths: Paths
  readonly limits: ScanLimits
  /** The chunk is the record of this reject. */
  readonly replay?: Replay
}

/**
 * Where a source's chunk becomes batches: at least one, more where the index is full. Lines that are not records are rejected here, with
 * the digest of what was read. The chunk's position, skipped lines and low watermark ride the last batch; `continues` is true on the others.
 * The chunk's bytes are used, not copied.
 */
export function openBatches(chunk: Chunk, options: OpenOptions): Batch[] {
  const { partition, number, paths, limits, replay } = options
  const bytes = readBytes(chunk, limits)
  const name = chunk.origin?.name ?? ''
  let line = chunk.origin?.line ?? 1
  const batches: Batch[] = []
  let at = 0
  let before = 0
  do {
    const index = scan(bytes.subarray(at, endOfPart(bytes, at)), paths, limits)
    const end = at + index.scanned
    const last = end === bytes.length
    const skipped = last ? (chunk.skipped ?? []) : []
    const batch = new Batch({
      partition,
      number,
      continues: !last,
      position: last ? chunk.position : undefined,
      origin: { name, line },
      end: undefined,
      tallies: { read: index.count + skipped.length, added: 0, dropped: new Map() },
      rejects: skipped.map((long) => rejectSkipped(long, name)),
      sourceBytes: last ? (chunk.sourceBytes ?? bytes.length) : 0,
      lowWatermark: last ? chunk.lowWatermark : undefined,
      reread: chunk.reread,
      replay,
      paths,
      limits,
      bytes: bytes.subarray(at, end),
      index,
      // Batches of one number share their groups: a record of the second is no sibling of one of the first.
      ...(before > 0 && { groups: Uint32Array.from({ length: index.count }, (_, record) => before + record) }),
    })
    rejectFaults(batch)
    batches.push(batch)
    line += index.lines
    before += index.count
    at = end
  } while (at < bytes.length)
  return batches
}

/** The empty batch that closes a run, in a partition of its own. */
export function endBatch(end: End, { paths, limits }: { readonly paths: Paths; readonly limits: ScanLimits }): Batch {
  const bytes = Buffer.alloc(0)
  return new Batch({
    partition: '',
    number: 0,
    continues: false,
    position: undefined,
    origin: { name: '', line: 1 },
    end,
    tallies: { read: 0, added: 0, dropped: new Map() },
    rejects: [],
    sourceBytes: 0,
    lowWatermark: undefined,
    paths,
    limits,
    bytes,
    index: scan(bytes, paths, limits),
  })
}

/** Rejects the lines that are not records. */
export function rejectFaults(batch: Batch, stage = INGEST_STAGE): void {
  for (let record = 0; record < batch.count; record++) {
    const fault = batch.fault(record)
    if (fault === Fault.none || batch.states[record] !== RecordState.live) continue
    batch.reject(record, codeOf(fault), stage, undefined, createHash('sha256').update(batch.line(record)).digest('hex'))
  }
}

function codeOf(fault: number): RejectCode {
  if (fault === Fault.notObject) return 'NOT_AN_OBJECT'
  if (fault === Fault.depth) return 'TOO_DEEP'
  if (fault === Fault.length) return 'TOO_LONG'
  if (fault === Fault.utf8) return 'INVALID_UTF8'
  if (fault === Fault.complex) return 'TOO_COMPLEX'
  return 'INVALID_JSON'
}

function readBytes(chunk: Chunk, limits: ScanLimits): Buffer {
  const bytes =
    chunk.bytes ?? Buffer.concat((chunk.records ?? []).flatMap((record) => [lineOf(record, limits), LINE_FEED_BYTES]))
  return bytes.length === 0 || bytes.at(-1) === LINE_FEED ? bytes : Buffer.concat([bytes, LINE_FEED_BYTES])
}

/** One level more than a record may have, so that a record that is too deep is rejected and not an error of its source. */
function lineOf(record: unknown, limits: ScanLimits): Buffer {
  try {
    return writeJson(record, limits.maxDepth + 1)
  } catch (error) {
    throw new SluiceError('SOURCE_FAILED', `a source yielded a record that is not one: ${String(error)}`, {
      cause: error,
    })
  }
}

function endOfPart(bytes: Buffer, start: number): number {
  if (bytes.length - start <= MAX_BYTES) return bytes.length
  return bytes.indexOf(LINE_FEED, start + MAX_BYTES / 2) + 1
}

function rejectSkipped({ line, length, digest }: NonNullable<Chunk['skipped']>[number], origin: string): Reject {
  return { record: -1, code: 'TOO_LONG', stage: INGEST_STAGE, origin, line, length, digest }
}
