import { join } from 'node:path'
import { Writable } from 'node:stream'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { realFiles } from '../../files.ts'
import type { Files } from '../../files.ts'
import type { Batch, End } from '../../record/batch.ts'
import type { Json } from '../../record/json/json.ts'
import type { CommitOptions } from '../commit-options.ts'
import { Deduplicator } from '../dedup/deduplicate.ts'
import type { Delivery } from '../delivery.ts'
import { observeDelivery } from '../delivery-events.ts'
import { Ledger } from '../ledger.ts'
import { BUFFER_BYTES, outboxTargets } from '../open-epoch.ts'
import { OutboxEpoch } from '../outbox/outbox.ts'
import type { OutboxOptions } from '../outbox/outbox.ts'
import { reportSinks } from '../report-sinks.ts'
import { Router } from '../routes/router.ts'
import { RejectWriter } from '../rejects/reject-writer.ts'
import { REJECTS, sinkNameOf } from '../state/rows.ts'
import { addTally, emptyTally } from '../tally.ts'
import { digestOfKeys } from './day-keys.ts'
import type { ShardOutput, ShardTask, StagedObject } from './shard.ts'
import { ShardKeys } from './shard-keys.ts'
import { ShardRejects } from './shard-rejects.ts'

interface ShardDeliveryOptions {
  /** As for a run of the pipeline. Its folder, and everything of a state, is not used. */
  readonly commit: CommitOptions
  readonly task: ShardTask
  /** Of the coordinator's state. */
  readonly hashKey: Buffer
  /** Of the coordinator's state. */
  readonly generation: string
  /** Gets the files of the objects, without folders. It must exist. */
  readonly folder: string
}

/** Opens the delivery of one execution of a shard. */
export function openShardDelivery(options: ShardDeliveryOptions): Promise<ShardDelivery> {
  return Promise.resolve(new ShardDelivery(options))
}

/**
 * The delivery inside an executor: one execution of a shard, without a state. It deduplicates within
 * the shard, writes objects in their final form, and keeps everything else in memory until `output`.
 *
 * The same batches give the same objects with the same names, in any process. So nothing here depends
 * on the clock, on the speed of the disk or on the number of the attempt, except names of local files.
 */
export class ShardDelivery implements Delivery {
  readonly hashKey: Buffer
  readonly #options: ShardDeliveryOptions
  readonly #files: Files
  readonly #outbox: OutboxOptions
  readonly #ledger = new Ledger()
  readonly #router: Router
  /** The smallest `roll.maxBytes` of the sinks. */
  readonly #smallestObject: number
  readonly #keys: ShardKeys
  readonly #deduplicator: Deduplicator
  readonly #rejects: ShardRejects
  readonly #rejectWriter: RejectWriter
  readonly #partitions: ReadonlySet<string>
  readonly #positions = new Map<string, Json>()
  readonly #objects: StagedObject[] = []
  readonly #names: string[] = []
  #epoch: OutboxEpoch | undefined
  /** Bytes of the batches since the sizes of the open files were looked at. */
  #unchecked = 0
  #tally = emptyTally()
  #end: End | undefined
  #output: ShardOutput | undefined

  constructor(options: ShardDeliveryOptions) {
    const { commit, task, hashKey, generation, folder } = options
    const { pipeline, files = realFiles, bufferBytes = BUFFER_BYTES } = commit
    const all = outboxTargets(commit)
    const rejects = all.find(({ name }) => name === REJECTS)
    const targets = all.filter((target) => target !== rejects)
    this.#options = options
    this.hashKey = hashKey
    this.#files = files
    this.#outbox = { folder, files, pipeline, generation, targets, bufferBytes }
    this.#router = new Router({ ...commit, sinks: targets.map(({ name }) => name) })
    this.#smallestObject = Math.min(...targets.map(({ roll }) => roll.maxBytes))
    this.#keys = new ShardKeys(task.leaveOut)
    this.#deduplicator = new Deduplicator(commit.dedup && this.#keys)
    this.#rejects = new ShardRejects(rejects?.key.partitioner(task.createdAt))
    this.#rejectWriter = new RejectWriter(this.#rejects, hashKey, commit)
    this.#partitions = new Set(task.shard.parts.map(({ partition }) => partition))
  }

  /** Parts are read from their beginning. */
  position(): undefined {}

  writable(): Writable {
    return new Writable({
      objectMode: true,
      highWaterMark: 1,
      write: (batch: Batch, _encoding, done) => void reply(this.#write(batch), done),
      final: (done) => void reply(this.#finish(), done),
    })
  }

  totals(): ReturnType<Delivery['totals']> {
    const objects = this.#objects.map(({ role, sink, key, records, bytes, sha256 }) => ({
      key,
      sink: sinkNameOf({ role, ...(sink !== undefined && { sink }) }),
      records,
      bytes,
      sha256,
      published: false,
    }))
    const total = (what: 'records' | 'bytes') => objects.reduce((sum, object) => sum + object[what], 0)
    const unpublished = { objects: objects.length, records: total('records'), bytes: total('bytes') }
    const sinks = reportSinks(this.#options.commit.sinks, this.#tally, { objects, waiting: [] })
    return { ...this.#tally, sinks, bytesOut: unpublished.bytes, epochs: 0, objects, unpublished }
  }

  /** The output, when the writable has finished. Its files then belong to the caller. */
  output(): ShardOutput {
    if (this.#output) return this.#output
    throw new SluiceError('INTERNAL', 'the shard has no output before its source has ended')
  }

  /** Closes the sinks. Without an output, the files are deleted. */
  async close(): Promise<void> {
    await this.#epoch?.abandon()
    if (!this.#output) {
      for (const name of [...this.#names, ...(this.#epoch?.fileNames ?? [])]) {
        await this.#files.unlink(join(this.#options.folder, name))
      }
    }
    const { sinks, rejects } = this.#options.commit
    for (const { sink } of [...sinks, ...(rejects ? [rejects] : [])]) await sink.close?.()
  }

  async #write(batch: Batch): Promise<void> {
    if (this.#end) throw new SluiceError('LEDGER_MISMATCH', "a batch arrived after the source's end")
    if (batch.commit) return batch.commit.refused()
    this.#ledger.enter(batch)
    const delivered = observeDelivery(this.#options.commit.events, batch)
    this.#router.enter(batch)
    const result = await this.#deduplicator.deduplicate(batch)
    const shares = this.#router.share(result.written)
    this.#ledger.add(batch, result, shares)
    this.#epoch ??= this.#openEpoch()
    for (const { sink, records } of shares) await this.#epoch.append(sink, batch, records)
    await this.#rejectWriter.write({ number: 0, files: this.#rejects }, batch, result)
    delivered(result)
    const { dedup, releasesBatches } = this.#options.commit
    if (dedup) this.#keys.checkMemory(dedup)
    const { partition, position, bytes } = batch
    if (position !== undefined && !this.#partitions.has(partition)) this.#positions.set(partition, position)
    this.#unchecked += bytes.length
    if (releasesBatches === true) batch.release()
    this.#end = batch.end
    if (!this.#ledger.isInside && (await this.#isEpochDue(this.#epoch))) await this.#finishEpoch(this.#epoch)
  }

  /**
   * True if an object has its size. Estimates depend on how far the compression is, so files are
   * looked at after a fixed number of bytes, when all of them are written.
   */
  async #isEpochDue(epoch: OutboxEpoch): Promise<boolean> {
    const maxBytes = this.#smallestObject
    if (epoch.isFullOfRecords) return true
    if (epoch.plainBytes < maxBytes || this.#unchecked < Math.min(CHECKED_BYTES, maxBytes)) return false
    this.#unchecked = 0
    await epoch.idle()
    return epoch.isFull
  }

  #openEpoch(): OutboxEpoch {
    const { task } = this.#options
    const object = objectLabel(task.runNumber, task.shard.number)
    const names = { firstPart: this.#objects.length, object, file: `${object}.${task.attempt}` }
    return new OutboxEpoch(this.#outbox, names, task.createdAt)
  }

  async #finishEpoch(epoch: OutboxEpoch): Promise<void> {
    this.#tally = addTally(this.#tally, this.#ledger.close())
    const objects = await epoch.finish()
    this.#names.push(...epoch.fileNames)
    this.#objects.push(...objects)
    this.#epoch = undefined
  }

  async #finish(): Promise<void> {
    if (!this.#end)
      throw new SluiceError('LEDGER_MISMATCH', "the stream ended without the source's end: a stage returned early")
    if (this.#epoch) await this.#finishEpoch(this.#epoch)
    if (this.#end.kind === 'failed') throw this.#end.error
    if (this.#end.kind === 'interrupted') throw new SluiceError('INTERNAL', 'the shard was interrupted')
    const { leaveOut } = this.#options.task
    this.#output = {
      objects: this.#objects,
      keys: this.#keys.added(),
      tally: this.#tally,
      ...this.#rejects.output(),
      positions: [...this.#positions].map(([partition, position]) => ({ partition, position })),
      ...(leaveOut && { leftOut: digestOfKeys(leaveOut) }),
    }
  }
}

/** Bytes of records after which the sizes of objects are looked at. */
const CHECKED_BYTES = 16 << 20

/** Stands in the names of objects in place of the epoch: `s3.000017` is shard 17 of the third backfill. */
export function objectLabel(runNumber: number, shard?: number): string {
  return `s${runNumber}.${shard === undefined ? '' : String(shard).padStart(6, '0')}`
}

async function reply(operation: Promise<void>, done: (error?: Error | null) => void): Promise<void> {
  const [result] = await Promise.allSettled([operation])
  if (result.status === 'fulfilled') done()
  else done(asSluiceError(result.reason, 'INTERNAL', 'the shard failed'))
}
