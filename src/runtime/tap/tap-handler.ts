import { setTimeout as sleep } from 'node:timers/promises'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import type { ControlHandler, ControlReply } from '../../delivery/control/control-requests.ts'
import { SluiceError } from '../../errors.ts'
import { closest } from '../../fields/suggest.ts'
import type { Batch } from '../../record/batch.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { sampler } from './sample.ts'
import type { Sample } from './sample.ts'
import type { TapPlace, Taps } from './taps.ts'

type TappedPipeline = Pick<CheckedPipeline, 'transforms' | 'limits'>

/**
 * `{"command":"tap","stage":"redact","where":"…","limit":5}` is answered with the records that pass after
 * (`before`) a transform. Each part of the answer has records, and how many were looked at so far.
 * A peer that is slow or gone loses records; the run does not wait for it.
 */
export function tapHandler(pipeline: TappedPipeline, taps: Taps): ControlHandler {
  return async (request, reply) => {
    const place = placeOf(request, pipeline)
    const { where, limit } = request
    const sample = await sampler(typeof where === 'string' ? where : undefined, pipeline)
    const tap = new Tap(sample, typeof limit === 'number' ? limit : Infinity, reply)
    const end = taps.open(place, (batch) => tap.look(batch))
    try {
      await tap.done()
    } finally {
      end()
    }
  }
}

/** @throws SluiceError UNSUPPORTED: the records do not pass through this process, or not through this thread */
export const tapOfShards: ControlHandler = () => {
  throw new SluiceError('UNSUPPORTED', 'the input is divided among workers, and its records do not pass here', {
    hint: 'run it with --workers 1 to tap it, or use `sluice preview`',
  })
}

/**
 * @throws SluiceError USAGE: there is no such stage; TAP_REFUSED: the records there are not redacted yet
 */
function placeOf({ stage, before, unredacted }: JsonObject, { transforms }: TappedPipeline): TapPlace {
  const names = transforms.map((transform) => transform.stage)
  if (names.length === 0)
    throw new SluiceError('UNSUPPORTED', 'the pipeline has no transforms: there is nothing to tap', {
      hint: '`sluice preview` shows the records of its source',
    })
  const name = typeof stage === 'string' ? stage : names[names.length - 1]
  const position = names.indexOf(name)
  if (position < 0) {
    const near = closest(name, names)
    throw new SluiceError('USAGE', `the pipeline has no stage ${JSON.stringify(name)}`, {
      hint: near === undefined ? `its stages are ${names.join(', ')}` : `did you mean ${near}?`,
    })
  }
  const isBefore = before === true
  const redaction = transforms.findLastIndex(({ declaration }) => declaration.type === 'redact')
  const isRedacted = isBefore ? redaction < position : redaction <= position
  if (!isRedacted && unredacted !== true)
    throw new SluiceError(
      'TAP_REFUSED',
      `${isBefore ? 'before' : 'after'} ${name}, records are not redacted yet: ${names[redaction]} comes later`,
      { hint: `tap --stage ${names[redaction]} or a later one; --unredacted shows them nevertheless` },
    )
  return { position, isBefore }
}

/** One peer that looks at the records of a stage. */
class Tap {
  readonly #sample: Sample
  readonly #reply: ControlReply
  readonly #limit: number
  readonly #ended = new AbortController()
  #failure: unknown
  #found = 0
  #looked = 0
  #skipped = 0
  #failed = 0
  #fault: string | undefined
  /** When the next batch may be looked at. */
  #next = 0

  constructor(sample: Sample, limit: number, reply: ControlReply) {
    this.#sample = sample
    this.#limit = limit
    this.#reply = reply
    reply.gone.addEventListener('abort', () => this.#ended.abort())
    if (reply.gone.aborted) this.#ended.abort()
  }

  /** Resolves when the limit is reached, the peer is gone, or the run ends. */
  async done(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      await sleep(REPORT_INTERVAL, undefined, { signal, ref: false }).catch(() => undefined)
      if (!signal.aborted) this.#send([])
    }
    if (this.#failure !== undefined) throw this.#failure
    this.#send([])
  }

  /** Never throws: the run has nothing to do with it. */
  look(batch: Batch): void {
    try {
      this.#look(batch)
    } catch (error) {
      this.#failure = error
      this.#ended.abort()
    }
  }

  #look(batch: Batch): void {
    if (batch.live === 0 || this.#ended.signal.aborted) return
    const started = performance.now()
    if (started < this.#next) {
      this.#skipped += batch.live
      return
    }
    const { records, looked, skipped, failed, fault } = this.#sample(
      batch,
      Math.min(this.#limit - this.#found, MOST_SENT),
    )
    this.#looked += looked
    this.#skipped += skipped
    this.#failed += failed
    this.#fault = fault ?? this.#fault
    // What the peer does not get does not count for its limit.
    if (records.length > 0 && this.#send(records)) this.#found += records.length
    if (this.#found >= this.#limit) this.#ended.abort()
    const now = performance.now()
    this.#next = now + (now - started) * REST
  }

  #send(records: readonly string[]): boolean {
    return this.#reply.send({
      records,
      looked: this.#looked,
      skipped: this.#skipped,
      failed: this.#failed,
      ...(this.#fault !== undefined && { fault: this.#fault }),
    })
  }
}

/** Milliseconds between two parts without records. */
const REPORT_INTERVAL = 1000
/** Records of one batch that are sent. */
const MOST_SENT = 100
/** A tap rests as many times as long as it has worked: it takes at most 2 % of the time. */
const REST = 49
