import { Transform } from 'node:stream'
import type { Readable, TransformCallback } from 'node:stream'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { hideInError } from '../../observe/hide-in-error.ts'
import type { Batch } from '../../record/batch.ts'
import type { Stage } from '../transform-stages.ts'
import { catchReaders, refuseBytes } from './readers.ts'
import { noOpening, notABatch, secondTransform } from './refusals.ts'
import { reply } from './reply.ts'
import { registerStage, wiringIn } from './wiring.ts'
import type { TransformPart, Wiring } from './wiring.ts'

/**
 * A transform of a pipeline as a stream: one batch in, usually the same batch out. When a batch grew
 * and became several, each waits until there is room for it.
 */
export class TransformStream extends Transform {
  readonly #part: TransformPart
  readonly #name: string
  #from: Readable | undefined
  #wiring: Wiring | undefined
  #number = 0
  #stage: Stage | undefined
  /** Continues a transform that waits for room in the readable side. */
  #resume: (() => void) | undefined
  /** Of a stage that looks ahead: the batches that are not sent yet, in order. */
  readonly #underWay: (Batch[] | Promise<Batch[]>)[] = []
  #isSending = false
  /** Called when no more than `room` batches are under way. */
  #waiting: { readonly room: number; readonly done: TransformCallback } | undefined

  /** @param name For messages, until the pipeline is open: `transform redact`. */
  constructor(part: TransformPart, name: string) {
    super({ objectMode: true, highWaterMark: 1 })
    registerStage(this)
    catchReaders(this)
    refuseBytes(this)
    this.#part = part
    this.#name = name
    this.on('pipe', (from: Readable) => (this.#from = from))
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    const run = this.#wiring?.run
    if (this.#wiring === undefined || run === undefined) return this.#open(chunk, done)
    if (!run.isBatch(chunk)) return done(notABatch(this.#name, chunk))
    const second = wiringIn(chunk)
    if (second !== undefined) return done(second.refuse(secondTransform(this.#name)))
    this.#stage ??= run.stages[this.#number]
    if (this.#stage.lookahead !== undefined) return this.#enqueue(this.#stage, chunk, done)
    if (chunk.end) return done(null, chunk)
    try {
      const made = this.#stage.run(chunk)
      if (!(made instanceof Promise)) return this.#send(made, done)
      const sent = (failure: Error | null, batches?: Batch[]): void =>
        failure === null ? this.#send(batches ?? [], done) : done(failure)
      void reply(() => made, sent, this.#asFailure)
    } catch (error) {
      done(this.#asFailure(error))
    }
  }

  override _flush(done: TransformCallback): void {
    if (this.#underWay.length === 0) return done()
    this.#waiting = { room: 0, done }
  }

  override _read(size: number): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
    // In a stage that looks ahead, a batch may wait for the reader beside the one that is being sent.
    if (resume === undefined || this.#stage?.lookahead !== undefined) super._read(size)
  }

  override _destroy(reason: Error | null, done: (error?: Error | null) => void): void {
    this.#resume = undefined
    const shown = reason instanceof SluiceError ? hideInError(reason) : reason
    const wiring = this.#wiring
    if (reason === null || wiring === undefined) return done(shown)
    void reply(
      () => wiring.abandon(reason),
      () => done(shown),
      this.#asFailure,
    )
  }

  #open(chunk: unknown, done: TransformCallback): void {
    const wiring = wiringIn(chunk)
    if (wiring === undefined) return done(noOpening(this.#name, chunk))
    if (this.#wiring !== undefined) return done(wiring.refuse(secondTransform(this.#name)))
    this.#wiring = wiring
    wiring.join(this, this.#from)
    this.#number = wiring.addTransform(this.#part, this.#from)
    done(null, chunk)
  }

  /** Takes the next batch while others are under way. They are sent in the order in which they came. */
  #enqueue(stage: Stage, batch: Batch, done: TransformCallback): void {
    const made = batch.end ? [batch] : stage.run(batch)
    if (made instanceof Promise) made.catch(() => undefined)
    this.#underWay.push(made)
    // Nothing comes after the end, and all that is under way must be sent before it.
    this.#waiting = { room: batch.end ? 0 : (stage.lookahead ?? 1) - 1, done }
    this.#giveRoom()
    if (!this.#isSending) void this.#sendAll()
  }

  #giveRoom(): void {
    const waiting = this.#waiting
    if (waiting === undefined || this.#underWay.length > waiting.room) return
    this.#waiting = undefined
    waiting.done()
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true
    try {
      for (let next = this.#underWay[0]; next !== undefined; next = this.#underWay[0]) {
        for (const batch of await next) {
          if (this.destroyed) return
          if (!this.push(batch)) await new Promise<void>((resolve) => (this.#resume = resolve))
        }
        void this.#underWay.shift()
        this.#giveRoom()
      }
    } catch (error) {
      this.destroy(this.#asFailure(error))
    } finally {
      this.#isSending = false
    }
  }

  #send(batches: readonly Batch[], done: TransformCallback): void {
    if (batches.length === 1) return done(null, batches[0])
    let at = 0
    const next = (): void => {
      while (at < batches.length) {
        if (this.push(batches[at++])) continue
        this.#resume = next
        return
      }
      done()
    }
    next()
  }

  readonly #asFailure = (reason: unknown): SluiceError => asSluiceError(reason, 'INTERNAL', `${this.#name} failed`)
}
