import { Duplex } from 'node:stream'
import { defineSource } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { PipelineOptions } from '../runtime/streams/config.ts'
import { source } from '../runtime/streams/stages.ts'
import { registerStage } from '../runtime/streams/wiring.ts'
import { catchWriters } from '../runtime/streams/readers.ts'
import type { WriteOptions } from './byte-batches.ts'
import { afterWrites, ByteInput, INPUT_BYTES, runIsOver } from './byte-input.ts'
import { Outlet } from './outlet.ts'
import { destroyedBy } from './part-run.ts'
import { reply } from '../runtime/streams/reply.ts'

type Done = (error?: Error | null) => void

export interface ToBatchesOptions extends Pick<PipelineOptions, 'folder' | 'limits' | 'log'>, WriteOptions {}

/** A stream that takes NDJSON and takes the place of the source of a pipeline. */
export interface BatchDuplex extends Duplex {
  /** See `PipelineWritable.commit`. */
  commit(): Promise<void>
}

/**
 * A stream that takes NDJSON (bytes or text) and takes the place of `source` in a pipeline that is
 * wired in code: the body of a request, `fromObjects()`, the `readable()` of another pipeline.
 * Records have no position: after a failure, write again what is not known to be published, and
 * `dedup` recognises what was written before. Lines that are not records are rejected.
 *
 *     await pipeline(request, toBatches(), transform({ type: 'dedup', key: ['id'] }), sink({ type: 's3', … }))
 */
export function toBatches(options: ToBatchesOptions = {}): BatchDuplex {
  return new WrittenSource(options)
}

class WrittenSource extends Duplex implements BatchDuplex {
  readonly #input: ByteInput
  readonly #outlet = new Outlet()
  readonly #source: ReturnType<typeof source>
  #isReading = false

  constructor({ format, lowWatermark, ...options }: ToBatchesOptions) {
    super({
      decodeStrings: false,
      readableObjectMode: true,
      readableHighWaterMark: 1,
      writableHighWaterMark: INPUT_BYTES,
    })
    registerStage(this)
    this.#input = new ByteInput({ ...(format && { format }), ...(lowWatermark && { lowWatermark }) })
    this.#outlet.attach(this)
    this.#source = source(writtenRecords, { ...options, input: this.#input, closing: () => this.#input.close() })
    this.#source.on('error', (error) => this.destroy(error))
  }

  async commit(): Promise<void> {
    if (this.writableEnded) {
      throw new SluiceError('USAGE', 'commit() after the end', {
        hint: 'wait for the pipeline: it finishes when everything is published',
      })
    }
    try {
      await afterWrites(this, () => this.#input.publish())
    } catch (error) {
      if (error !== runIsOver) throw error
      // The pipeline has failed, and destroys its streams.
      if (!this.closed) await new Promise((resolve) => this.once('close', resolve))
      throw this.errored ?? error
    }
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    void reply(() => this.#input.write([{ chunk, encoding }]), catchWriters(this, done))
  }

  override _writev(parts: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    void reply(() => this.#input.write(parts), catchWriters(this, done))
  }

  override _final(done: Done): void {
    void reply(() => this.#input.end(), done)
  }

  override _read(): void {
    if (this.#isReading) return this.#outlet.resume()
    this.#isReading = true
    void reply(
      async () => {
        for await (const batch of this.#source) await this.#outlet.give(batch)
        this.#outlet.end()
      },
      (error) => error && this.destroy(error),
    )
  }

  override _destroy(error: Error | null, done: Done): void {
    const reason = destroyedBy(error, 'SOURCE_FAILED')
    this.#outlet.fail(reason)
    this.#input.fail(reason)
    this.#source.destroy(error ?? undefined)
    done(error)
  }
}

const writtenRecords = defineSource({
  type: 'written',
  summary: 'Records that a program writes.',
  repeats: false,
  fields: {},
  create: () => {
    throw new SluiceError('INTERNAL', 'records that a program writes are not read')
  },
})
