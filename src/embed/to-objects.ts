import { Duplex } from 'node:stream'
import { Deduplicator, memoryDedupKeys } from '../delivery/dedup/deduplicate.ts'
import { asSluiceError, rejectCodes, SluiceError } from '../errors.ts'
import type { RejectCode } from '../errors.ts'
import { Batch } from '../record/batch.ts'
import { countMembers, findPeculiarities, keepNumbers } from '../record/json/kept-numbers.ts'
import type { NumberMode } from '../record/json/kept-numbers.ts'
import { Paths } from '../record/paths/path.ts'
import { defaultLimits } from '../record/scan.ts'
import { ByteBatches } from './byte-batches.ts'
import { keptNumbers } from './from-objects.ts'
import { LineParser } from './ndjson-streams.ts'
import { Outlet } from './outlet.ts'
import { reply } from './reply.ts'

export interface ToObjectsOptions {
  /**
   * What happens to a number that JavaScript cannot hold, such as `9007199254740993` or `1e400`.
   * `error` (default): the record is rejected. `text`: it becomes a string with its digits. `round`:
   * it becomes the nearest number; one beyond the largest is still rejected.
   */
  readonly numbers?: NumberMode
  /**
   * Called for each line that does not become an object; the stream then continues. Default: the
   * stream fails with INPUT_CORRUPT at the first one.
   */
  readonly onReject?: (reject: RejectedLine) => void
  /** Longest line in bytes. Default: 1 MiB. For bytes: batches have the limits of their source. */
  readonly maxLine?: number
  /** Deepest nesting of a record. Default: 64. For bytes. */
  readonly maxDepth?: number
}

/** A line that does not become an object. It holds no content of the line. */
export interface RejectedLine {
  /** A reject code of `docs/errors.md`, or a code of a custom transform. */
  readonly code: string
  /** The stage that rejected it: `source` for a line that is not a record, `toObjects`, a transform. */
  readonly stage: string
  /** Name of the file or request, if it is known. */
  readonly origin: string
  /** Number of the line, from 1. */
  readonly line: number
  readonly detail?: string | undefined
}

/**
 * A stream that takes NDJSON (bytes, text, or the batches of `source` and `transform`) and gives
 * plain objects, one per record. It parses with the `ndjson` package.
 *
 * Nothing changes in silence. A line is rejected that is not a JSON object, is not UTF-8, is too long
 * or too deep, has a key twice in one object, or has a number that JavaScript cannot hold (see
 * `numbers`). Blank lines, carriage returns before a line feed, and byte order marks belong to no
 * record. A number that is only spelled in another way (`1.10`) becomes a number, and `fromObjects`
 * writes it with its digits as long as it stays in the object or array it came in. Objects are not
 * frozen. A key `__proto__` is a member like any other.
 *
 * Records of batches are deduplicated within the stream if a `dedup` is among the transforms.
 * Objects have no positions.
 * @throws SluiceError as the stream's `error`: INPUT_CORRUPT, USAGE for anything but NDJSON
 */
export function toObjects(options: ToObjectsOptions = {}): Duplex {
  const { numbers = 'error', onReject: refuse = fail, ...limits } = options
  if (!NUMBER_MODES.includes(numbers)) {
    throw new SluiceError('USAGE', `toObjects: numbers must be one of ${NUMBER_MODES.join(', ')}`)
  }
  const input = new ByteBatches({ ...ONLY, paths: new Paths(), limits: { ...defaultLimits, ...limits } })
  const deduplicator = new Deduplicator(memoryDedupKeys())
  const parser = new LineParser()
  const outlet = new Outlet()

  const take = async (batch: Batch): Promise<void> => {
    const { written, rejects } = await deduplicator.deduplicate(batch)
    for (const { code, stage, origin, line, detail } of rejects) refuse({ code, stage, origin, line, detail })
    await give(batch, written)
    if (batch.end?.kind === 'failed') throw asSluiceError(batch.end.error, 'SOURCE_FAILED', 'the source failed')
  }
  const give = async (batch: Batch, records: Uint32Array): Promise<void> => {
    for (const slice of slicesOf(batch, records)) {
      const objects = await parser.parse(slice.bytes, slice.records.length)
      for (const [at, object] of objects.entries()) {
        const record = slice.records[at]
        const code = faultOf(object, batch.line(record), numbers)
        if (code === undefined) {
          await outlet.give(object)
          continue
        }
        refuse({ code, stage: 'toObjects', origin: batch.origin.name, line: batch.lineOf(record) })
      }
    }
  }
  const takeAll = async (batches: readonly Batch[]): Promise<void> => {
    for (const batch of batches) await take(batch)
  }
  return outlet.attach(
    new Duplex({
      objectMode: true,
      // A batch, or a part of any size.
      writableHighWaterMark: 1,
      write: (chunk: unknown, encoding, done) =>
        void reply(() => takeAll(chunk instanceof Batch ? [chunk] : input.push([{ chunk, encoding }])), done),
      final: (done) =>
        void reply(async () => {
          await takeAll(input.end())
          outlet.end()
        }, done),
      read: () => outlet.resume(),
    }),
  )
}

const ONLY = { partition: '', origin: '' }
const NUMBER_MODES: readonly NumberMode[] = ['error', 'text', 'round']

/** About as many lines at once as fill this many bytes, so that few objects wait for a slow reader. */
const SLICE_BYTES = 16 * 1024

interface Slice {
  readonly records: readonly number[]
  readonly bytes: Buffer
}

function* slicesOf(batch: Batch, records: Uint32Array): Generator<Slice> {
  let slice: number[] = []
  let bytes = 0
  for (const record of records) {
    slice.push(record)
    bytes += batch.line(record).length
    if (bytes < SLICE_BYTES) continue
    yield { records: slice, bytes: batch.assemble(slice) }
    slice = []
    bytes = 0
  }
  if (slice.length > 0) yield { records: slice, bytes: batch.assemble(slice) }
}

/** What the object does not keep of its line. Remembers the spelling of its numbers. */
function faultOf(object: object, line: Buffer, numbers: NumberMode): RejectCode | undefined {
  const { members, hasUnusualNumbers } = findPeculiarities(line)
  if (members !== countMembers(object)) return 'DUPLICATE_KEY'
  if (hasUnusualNumbers && !keepNumbers(object, line.toString(), numbers, keptNumbers)) return 'NUMBER_INEXACT'
  return undefined
}

function fail({ code, stage, origin, line, detail }: RejectedLine): never {
  const place = origin === '' ? `line ${line}` : `line ${line} of ${origin}`
  const reason = detail ?? (isRejectCode(code) ? rejectCodes[code] : `rejected by ${stage}`)
  throw new SluiceError('INPUT_CORRUPT', `${place} does not become an object: ${code}: ${reason}`, {
    hint:
      code === 'NUMBER_INEXACT'
        ? "pass `numbers: 'text'` to get such a number as a string, or `onReject` to continue without the record"
        : 'pass `onReject` to continue with the other lines',
  })
}

function isRejectCode(code: string): code is RejectCode {
  return Object.hasOwn(rejectCodes, code)
}
