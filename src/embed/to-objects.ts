import { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { rejectCodes, SluiceError } from '../errors.ts'
import type { RejectCode } from '../errors.ts'
import type { Report } from '../observe/report.ts'
import { Batch, RecordState } from '../record/batch.ts'
import { countMembers, findPeculiarities, keepNumbers } from '../record/json/kept-numbers.ts'
import type { NumberMode } from '../record/json/kept-numbers.ts'
import { Paths } from '../record/paths/path.ts'
import { defaultLimits } from '../record/scan.ts'
import type { ScanLimits } from '../record/scan.ts'
import { sink } from '../runtime/streams/stages.ts'
import type { SinkWritable } from '../runtime/streams/stages.ts'
import { catchWriters } from '../runtime/streams/readers.ts'
import { ByteBatches } from './byte-batches.ts'
import type { WriteOptions } from './byte-batches.ts'
import { callBack, checkCount } from './callbacks.ts'
import { keptNumbers } from './from-objects.ts'
import { LineParser } from './ndjson-streams.ts'
import { Outlet } from './outlet.ts'
import { destroyedBy } from './part-run.ts'
import { passOn, reply } from '../runtime/streams/reply.ts'
import { streamSink } from './stream-sink.ts'

type Done = (error?: Error | null) => void

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
  /** See `WriteOptions.format`. */
  readonly format?: WriteOptions['format']
  /** Longest line in bytes. Default: 1 MiB. */
  readonly maxLine?: number
  /** Deepest nesting of a record. Default: 64. */
  readonly maxDepth?: number
}

/** A line that does not become an object. It holds no content of the line. */
export interface RejectedLine {
  /** A reject code of `docs/errors.md`. */
  readonly code: string
  /** `source` if the line is not a record, `toObjects` if an object would not keep it. */
  readonly stage: string
  /** Number of the line in the bytes, or in what the pipeline before it gives, from 1. */
  readonly line: number
  readonly detail?: string | undefined
}

/** A stream that gives objects, with the report of the pipeline that it ends. */
export interface ObjectReadable extends Duplex {
  /**
   * What the pipeline before it has read, rejected and dropped so far; complete when the stream is
   * closed. Undefined if bytes were written to it.
   */
  report(): Report | undefined
}

/**
 * A stream that takes NDJSON (bytes or text), or the batches of `source` and `transform`, and gives
 * plain objects, one per record. It parses with the `ndjson` package.
 *
 * Nothing changes in silence. A line is rejected that is not a JSON object, is not UTF-8, is too long
 * or too deep, has a key twice in one object, or has a number that JavaScript cannot hold (see
 * `numbers`). Blank lines, carriage returns before a line feed, and byte order marks belong to no
 * record. A number that is only spelled in another way (`1.10`) becomes a number, and `fromObjects`
 * writes it with its digits as long as it stays in the object or array it came in. Objects are not
 * frozen. A key `__proto__` is a member like any other.
 *
 * After `source` and `transform` it takes the place of a sink without a state: the pipeline begins
 * at the start of its source, deduplicates within itself, and counts its rejects in `report()`.
 * @throws SluiceError as the stream's `error`: INPUT_CORRUPT, USAGE for anything but NDJSON, and the
 *   errors of the pipeline
 */
export function toObjects(options: ToObjectsOptions = {}): ObjectReadable {
  if (!NUMBER_MODES.includes(options.numbers ?? 'error')) {
    throw new SluiceError('USAGE', `toObjects: numbers must be one of ${NUMBER_MODES.join(', ')}`)
  }
  checkCount('toObjects', 'maxLine', options.maxLine)
  checkCount('toObjects', 'maxDepth', options.maxDepth)
  return new ObjectStream(options)
}

class ObjectStream extends Duplex implements ObjectReadable {
  readonly #numbers: NumberMode
  readonly #refuse: (reject: RejectedLine) => void
  readonly #limits: ScanLimits
  #input: ByteBatches
  readonly #parser = new LineParser()
  readonly #outlet = new Outlet()
  /** The sink of the pipeline that batches come from. */
  #sink: SinkWritable | undefined

  constructor({ numbers = 'error', onReject = fail, format, ...limits }: ToObjectsOptions) {
    // A batch, or a part of any size.
    super({ objectMode: true, writableHighWaterMark: 1 })
    this.#outlet.attach(this)
    this.#numbers = numbers
    this.#refuse = onReject === fail ? fail : (reject) => callBack('onReject', onReject, reject)
    this.#limits = { ...defaultLimits, ...limits }
    this.#input = new ByteBatches({ ...ONLY, format, paths: new Paths(), limits: this.#limits })
  }

  report(): Report | undefined {
    const report = this.#sink?.report()
    return report
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    if (this.#sink === undefined && chunk instanceof Batch) this.#openSink()
    if (this.#sink) passOn(this.#sink, chunk, catchWriters(this, done))
    else void reply(() => this.#take(this.#input.push([{ chunk, encoding }])), catchWriters(this, done))
  }

  override _final(done: Done): void {
    const end = this.#sink
    void reply(async () => {
      if (end) {
        end.end()
        await finished(end)
      }
      await this.#take(this.#input.end())
      this.#outlet.end()
    }, done)
  }

  override _read(): void {
    this.#outlet.resume()
  }

  override _destroy(error: Error | null, done: Done): void {
    const end = this.#sink
    const reason = destroyedBy(error, 'SINK_FAILED')
    this.#outlet.fail(reason)
    if (end === undefined || end.closed) return done(error)
    end.once('close', () => done(error))
    end.destroy(reason)
  }

  #openSink(): void {
    // A pipeline gives lines.
    this.#input = new ByteBatches({ ...ONLY, paths: new Paths(), limits: this.#limits })
    this.#sink = sink(
      streamSink('toObjects', {
        write: (bytes) => this.#take(this.#input.push([{ chunk: bytes }])),
        flush: () => Promise.resolve(),
      }),
    )
    this.#sink.on('error', (error) => this.destroy(error))
  }

  async #take(batches: Iterable<Batch>): Promise<void> {
    for (const batch of batches) {
      for (const { code, stage, line, detail } of batch.rejects) this.#refuse({ code, stage, line, detail })
      for (const slice of slicesOf(batch)) await this.#give(batch, slice)
    }
  }

  async #give(batch: Batch, { records, bytes }: Slice): Promise<void> {
    const objects = await this.#parser.parse(bytes, records.length)
    for (const [at, object] of objects.entries()) {
      const code = faultOf(object, batch.line(records[at]), this.#numbers)
      if (code === undefined) {
        const waiting = this.#outlet.give(object)
        if (waiting) await waiting
      } else this.#refuse({ code, stage: 'toObjects', line: batch.lineOf(records[at]) })
    }
  }
}

const ONLY = { partition: '', origin: '' }
const NUMBER_MODES: readonly NumberMode[] = ['error', 'text', 'round']

/** About as many lines at once as fill this many bytes, so that few objects wait for a slow reader. */
const SLICE_BYTES = 16 * 1024

interface Slice {
  readonly records: readonly number[]
  readonly bytes: Buffer
}

function* slicesOf(batch: Batch): Generator<Slice> {
  let slice: number[] = []
  let bytes = 0
  for (let record = 0; record < batch.count; record++) {
    if (batch.states[record] !== RecordState.live) continue
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

function fail({ code, stage, line, detail }: RejectedLine): never {
  const reason = detail ?? (isRejectCode(code) ? rejectCodes[code] : `rejected by ${stage}`)
  throw new SluiceError('INPUT_CORRUPT', `line ${line} does not become an object: ${code}: ${reason}`, {
    hint:
      code === 'NUMBER_INEXACT'
        ? "pass `numbers: 'text'` to get such a number as a string, or `onReject` to continue without the record"
        : 'pass `onReject` to continue with the other lines',
  })
}

function isRejectCode(code: string): code is RejectCode {
  return Object.hasOwn(rejectCodes, code)
}
