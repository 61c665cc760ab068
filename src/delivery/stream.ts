import { Writable } from 'node:stream'
import { callbackify } from 'node:util'
import type { StreamSink } from '../component.ts'
import { asSluiceError } from '../errors.ts'
import { Ledger } from './ledger.ts'
import { memoryDedupKeys, Deduplicator } from './dedup/deduplicate.ts'
import { ONLY_SINK } from './state/rows.ts'
import { addTally, emptyTally } from './tally.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Note } from '../observe/messages/table.ts'
import type { Batch } from '../record/batch.ts'
import type { Delivery } from './delivery.ts'
import { observeDelivery } from './delivery-events.ts'

interface StreamDeliveryOptions {
  readonly sink: StreamSink
  readonly note: Note
  /** What the run publishes. Default: nothing. */
  readonly events?: RunEvents
  /** See `CommitOptions`. */
  readonly releasesBatches: boolean
  /**
   * The sink does not keep the bytes of a write after it has resolved, so the buffer can be reused.
   */
  readonly reusesOutput: boolean
}

/** A stream sink has no objects. */
const NOTHING = { objects: 0, records: 0, bytes: 0 }

/** Further rejects are counted, but not logged. */
const LOGGED_REJECTS = 10

/** The lines of one batch: half a MiB, and the bytes that edits add. */
const OUTPUT_BYTES = 768 * 1024

/**
 * The delivery to a stream sink, which has no state: each run starts at the beginning, and
 * deduplication covers one run. Rejects are counted, and the first few are logged.
 */
export function openStreamDelivery(options: StreamDeliveryOptions): Delivery {
  const { sink, note, events, releasesBatches, reusesOutput } = options
  const deduplicator = new Deduplicator(memoryDedupKeys())
  const ledger = new Ledger()
  const aborting = new AbortController()
  let bytesOut = 0
  let logged = 0
  let totals = emptyTally()
  let output: Buffer = Buffer.alloc(0)
  const allocate = (bytes: number): Buffer => {
    if (!reusesOutput) return Buffer.allocUnsafeSlow(bytes)
    if (output.length < bytes) output = Buffer.allocUnsafeSlow(Math.max(bytes, OUTPUT_BYTES))
    return output
  }

  const deliver = async (batch: Batch) => {
    if (batch.commit) return batch.commit.refused()
    ledger.enter(batch)
    const delivered = observeDelivery(events, batch)
    const result = await deduplicator.deduplicate(batch)
    ledger.add(batch, result, [{ sink: ONLY_SINK, records: result.written }])
    for (const { code, stage, origin, line, detail } of result.rejects) {
      if (++logged <= LOGGED_REJECTS) note('record.rejected', { reject: code, stage, origin, line, detail })
    }
    if (result.written.length > 0) {
      const bytes = batch.assemble(result.written, allocate)
      await asSinkError(sink.write(bytes, aborting.signal))
      bytesOut += bytes.length
    }
    delivered(result)
    if (releasesBatches) batch.release()
    // After each batch, so that the report of a failed run counts what the sink has taken.
    if (!ledger.isInside) totals = addTally(totals, ledger.close())
    if (batch.end) await asSinkError(sink.flush())
  }

  const write = callbackify(deliver)
  return {
    hashKey: undefined,
    position: () => undefined,
    writable: () =>
      new Writable({
        objectMode: true,
        highWaterMark: 1,
        write: (batch: Batch, _encoding, done) => write(batch, done),
        destroy: (error, done) => {
          aborting.abort(error ?? undefined)
          done(error)
        },
      }),
    totals: () => {
      const sinks = { [ONLY_SINK]: { records: totals.written, objects: 0, bytes: bytesOut, unpublished: NOTHING } }
      return { ...totals, sinks, bytesOut, epochs: 0, objects: [], unpublished: NOTHING }
    },
    close: async () => sink.close?.(),
  }
}

async function asSinkError(operation: Promise<void>): Promise<void> {
  try {
    await operation
  } catch (error) {
    throw asSluiceError(error, 'SINK_FAILED', 'the sink failed')
  }
}
