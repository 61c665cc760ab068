import { createHash } from 'node:crypto'
import type { Chunk, SkippedLine } from './chunk.ts'
import { SluiceError } from '../errors.ts'
import type { RejectCode } from '../errors.ts'
import { LINE_FEED } from './json/ascii.ts'
import { Batch, RecordState } from './batch.ts'
import type { End, Reject } from './batch.ts'
import { writeJson } from './json/json-text.ts'
import { describeEnvelope, listOfObjects } from './lines/envelope.ts'
import type { Paths } from './paths/path.ts'
import { LineFault, scan } from './scan.ts'
import type { ScanLimits } from './scan.ts'

/** The stage name in rejects of lines that are not records. */
export const INGEST_STAGE = 'source'

/** A larger chunk is split, so that a batch stays small whatever a source yields. */
const MAX_BYTES = 2 << 20

const LINE_FEED_BYTES = Buffer.from('\n')

export interface OpenOptions {
  readonly partition: string
  /** Number of the batch, and of all its parts if the index is full. */
  readonly number: number
  readonly paths: Paths
  readonly limits: ScanLimits
}

/**
 * Scans a chunk from a source into batches: at least one, several if the index is full. Lines that
 * are not records are rejected here, with a digest of the line. The last batch carries the chunk's
 * position, skipped lines and low watermark; `continues` is true on the others. The batches use the
 * chunk's bytes without a copy.
 */
export function openBatches(chunk: Chunk, options: OpenOptions): Batch[] {
  const { partition, number, paths, limits } = options
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
      paths,
      limits,
      bytes: bytes.subarray(at, end),
      index,
      // Groups compare within a batch number: they must differ between its parts.
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

/** The empty batch that ends a run. */
export function endBatch(end: End, options: EmptyOptions): Batch {
  return emptyBatch(options, end)
}

interface EmptyOptions {
  readonly paths: Paths
  readonly limits: ScanLimits
}

/** A batch without records. */
export function emptyBatch({ paths, limits }: EmptyOptions, end?: End): Batch {
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
    if (fault === LineFault.none || batch.states[record] !== RecordState.live) continue
    const key = fault === LineFault.length ? listOfObjects(batch.line(record)) : undefined
    const detail = key === undefined ? undefined : describeEnvelope(key)
    batch.reject(record, codeOf(fault), stage, detail, createHash('sha256').update(batch.line(record)).digest('hex'))
  }
}

function codeOf(fault: number): RejectCode {
  if (fault === LineFault.notObject) return 'NOT_AN_OBJECT'
  if (fault === LineFault.depth) return 'TOO_DEEP'
  if (fault === LineFault.length) return 'TOO_LONG'
  if (fault === LineFault.utf8) return 'INVALID_UTF8'
  if (fault === LineFault.complex) return 'TOO_COMPLEX'
  return 'INVALID_JSON'
}

function readBytes(chunk: Chunk, limits: ScanLimits): Buffer {
  const bytes =
    chunk.bytes ?? Buffer.concat((chunk.records ?? []).flatMap((record) => [lineOf(record, limits), LINE_FEED_BYTES]))
  return bytes.length === 0 || bytes.at(-1) === LINE_FEED ? bytes : Buffer.concat([bytes, LINE_FEED_BYTES])
}

/**
 * Allows one level more than a record may have: a record that is too deep is then rejected, and not
 * an error of the source.
 */
function lineOf(record: unknown, limits: ScanLimits): Buffer {
  try {
    return writeJson(record, limits.maxDepth + 1)
  } catch (error) {
    throw new SluiceError('SOURCE_FAILED', `the source yielded a record that is not JSON: ${String(error)}`, {
      cause: error,
    })
  }
}

/** Where the next batch of whole lines ends at most, so that it stays small. */
export function endOfPart(bytes: Buffer, start: number): number {
  if (bytes.length - start <= MAX_BYTES) return bytes.length
  return bytes.indexOf(LINE_FEED, start + MAX_BYTES / 2) + 1
}

function rejectSkipped(skipped: SkippedLine, origin: string): Reject {
  const { code = 'TOO_LONG', line, length, digest, detail } = skipped
  const why = detail === undefined ? {} : { detail }
  return { record: -1, code, stage: INGEST_STAGE, ...why, origin, line, length, digest }
}
