import { Duplex, Readable, Writable } from 'node:stream'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { ONLY_SINK } from '../delivery/state/rows.ts'
import type { SluiceError } from '../errors.ts'
import type { Report } from '../observe/report.ts'
import type { RunOptions } from '../runtime/run.ts'
import { catchWriters } from '../runtime/streams/readers.ts'
import type { WriteOptions } from './byte-batches.ts'
import { afterWrites, ByteInput, INPUT_BYTES, runIsOver } from './byte-input.ts'
import { Outlet } from './outlet.ts'
import { destroyedBy, PartRun } from './part-run.ts'
import type { PartOptions } from './part-run.ts'
import { reply } from '../runtime/streams/reply.ts'
import { streamSink } from './stream-sink.ts'

type Done = (error?: Error | null) => void

/** Loads a part of a pipeline, and completes it with what the part lacks. */
export type LoadPart = (
  fail: (error: SluiceError) => void,
  complete: (pipeline: CheckedPipeline) => Partial<RunOptions>,
) => Promise<PartOptions>

/** The source and the transforms of a pipeline: NDJSON comes out. It begins when somebody reads. */
export class ReadablePart extends Readable {
  readonly #load: LoadPart
  readonly #outlet: Outlet
  #run: PartRun | undefined

  constructor(load: LoadPart) {
    super({ highWaterMark: OUTPUT_BYTES })
    this.#load = load
    this.#outlet = new Outlet()
    this.#outlet.attach(this)
  }

  report(): Report | undefined {
    return this.#run?.report()
  }

  override _read(): void {
    if (this.#run !== undefined) return this.#outlet.resume()
    this.#run = new PartRun((fail) =>
      this.#load(fail, (pipeline) => ({ pipeline: { ...pipeline, ...sinkOf('readable', this.#outlet) } })),
    )
    void finish(this.#run, this, this.#outlet)
  }

  override _destroy(error: Error | null, done: Done): void {
    const reason = destroyedBy(error, 'SINK_FAILED')
    this.#outlet.fail(reason)
    void reply(
      async () => this.#run?.abort(reason),
      () => done(error),
    )
  }
}

/** The transforms of a pipeline: NDJSON in and out. */
export class DuplexPart extends Duplex {
  readonly #input: ByteInput
  readonly #outlet = new Outlet()
  readonly #run: PartRun

  constructor(load: LoadPart, options: WriteOptions | undefined) {
    super({ readableHighWaterMark: OUTPUT_BYTES, writableHighWaterMark: INPUT_BYTES, decodeStrings: false })
    this.#input = new ByteInput(options)
    this.#outlet.attach(this)
    this.#run = new PartRun((fail) =>
      load(fail, (pipeline) => {
        return { pipeline: { ...pipeline, ...sinkOf('duplex', this.#outlet) }, input: this.#input }
      }),
    )
    void finish(this.#run, this, this.#outlet)
  }

  report(): Report | undefined {
    return this.#run.report()
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    void reply(() => whileRunning(this.#run, this.#input.write([{ chunk, encoding }])), catchWriters(this, done))
  }

  override _writev(parts: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    void reply(() => whileRunning(this.#run, this.#input.write(parts)), catchWriters(this, done))
  }

  override _final(done: Done): void {
    void reply(() => whileRunning(this.#run, this.#input.end()), done)
  }

  override _read(): void {
    this.#outlet.resume()
  }

  override _destroy(error: Error | null, done: Done): void {
    const reason = destroyedBy(error, 'SINK_FAILED')
    this.#outlet.fail(reason)
    this.#input.fail(reason)
    void reply(
      () => this.#run.abort(reason),
      () => done(error),
    )
  }
}

/** The transforms and the sink of a pipeline: NDJSON goes in. */
export class WritablePart extends Writable {
  readonly #input: ByteInput
  readonly #run: PartRun

  constructor(load: LoadPart, options: WriteOptions | undefined) {
    super({ highWaterMark: INPUT_BYTES, decodeStrings: false })
    this.#input = new ByteInput(options)
    this.#run = new PartRun((fail) => load(fail, () => ({ input: this.#input })))
    void this.#run.ended.then(() => this.#input.close())
    void finish(this.#run, this)
  }

  report(): Report | undefined {
    return this.#run.report()
  }

  /** See `PipelineWritable.commit`. */
  async commit(): Promise<void> {
    if (this.writableEnded || this.destroyed) return this.#finished()
    await whileRunning(
      this.#run,
      afterWrites(this, () => this.#input.publish()),
    )
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    void reply(() => whileRunning(this.#run, this.#input.write([{ chunk, encoding }])), catchWriters(this, done))
  }

  override _writev(parts: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    void reply(() => whileRunning(this.#run, this.#input.write(parts)), catchWriters(this, done))
  }

  override _final(done: Done): void {
    void reply(async () => {
      await whileRunning(this.#run, this.#input.end())
      const failure = await this.#run.ended
      if (failure) throw failure
    }, done)
  }

  override _destroy(error: Error | null, done: Done): void {
    const reason = destroyedBy(error, 'SOURCE_FAILED')
    this.#input.fail(reason)
    void reply(
      () => this.#run.abort(reason),
      () => done(error),
    )
  }

  async #finished(): Promise<void> {
    const failure = await this.#run.ended
    if (failure) throw failure
  }
}

/** Bytes that wait after a pipeline, and no more than the batch that exceeds them. */
const OUTPUT_BYTES = 64 * 1024

/** Ends the streams of a part when its run has ended. */
async function finish(run: PartRun, stream: Readable | Writable, outlet?: Outlet): Promise<void> {
  const failure = await run.ended
  if (failure) stream.destroy(failure)
  else outlet?.end()
}

/** An operation of the input. When the run has ended, it rejects with the failure of the run. */
async function whileRunning(run: PartRun, operation: Promise<void>): Promise<void> {
  try {
    await operation
  } catch (error) {
    throw error === runIsOver ? ((await run.ended) ?? error) : error
  }
}

/** A sink that hands bytes to a stream, in place of the sinks of the pipeline. It gets every record. */
function sinkOf(stage: string, outlet: Outlet): Pick<CheckedPipeline, 'sinks' | 'routes'> {
  const declaration = streamSink(stage, { write: async (bytes) => outlet.give(bytes), flush: () => Promise.resolve() })
  return { sinks: [{ declaration, config: {}, stage, name: ONLY_SINK }], routes: undefined }
}
