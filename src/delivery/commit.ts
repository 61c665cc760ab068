/*
 * The commit protocol: how batches become objects, each record effectively exactly once.
 *
 * Object sinks do not stream into an open upload. All batches since the last commit form an epoch.
 * An epoch is first written to a local transactional outbox, compressed, one file per key partition
 * and sink, and is published from there. So memory does not grow with the number of key partitions,
 * a store outage does not stop reading until the outbox is full, and a source that cannot repeat
 * its records is safe.
 *
 * `ObjectCommit.#commit` finishes an epoch, and `committer.ts` makes it durable. No step starts before
 * the previous step is on the disk:
 *
 * 0. Before the first object for a destination, the sink is tried (`outbox/first-connection.ts`).
 * 1. The ledger is checked. Outbox files and local rejects are finished and synced (`ledger.ts`,
 *    `outbox/outbox.ts`, `rejects/local-rejects.ts`).
 * 2. The dedup keys of the epoch are appended to their bucket files and synced
 *    (`dedup/dedup-index.ts`).
 * 3. Every folder with a new name is synced.
 * 4. One transaction records the epoch (`state/state.ts`): it asserts that this process owns the
 *    state, merges source positions, sets the lengths and checksums of dedup buckets, adds a row
 *    for each object and for the rejects, marks replayed rejects, adds the tallies.
 * 5. Only now the dedup keys are valid and the first request may go to the store
 *    (`outbox/publisher.ts`).
 *
 * A crash before step 4 leaves files without rows, which the next start deletes. A crash after it
 * leaves rows of unpublished objects, which the next start publishes. The source resumes at the
 * committed positions.
 *
 * The first failure is final (`serial-queue.ts`): after a failed fsync only a recovery knows the
 * content of the disk. A full disk is final, too, but committed objects are published before the
 * run ends, which frees their space. The end of the source travels in the last, empty batch: a
 * stream that ends without it fails.
 */
import { Writable } from 'node:stream'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Batch, CommitRequest, End } from '../record/batch.ts'
import { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import type { Json } from '../record/json/json.ts'
import { Committer } from './committer.ts'
import type { CommitParts } from './committer.ts'
import { Deduplicator } from './dedup/deduplicate.ts'
import type { Commit } from './delivery.ts'
import { observeDelivery } from './delivery-events.ts'
import { checkSinks, Ledger } from './ledger.ts'
import { openEpoch } from './open-epoch.ts'
import type { OpenEpoch } from './open-epoch.ts'
import { OutboxSpace } from './outbox/outbox-space.ts'
import { Router } from './routes/router.ts'
import { RejectWriter } from './rejects/reject-writer.ts'
import { SerialQueue } from './serial-queue.ts'
import { SourceProgress } from './source-progress.ts'
import type { LocalRejectsRow } from './state/rows.ts'

/** See `openCommit`. */
export class ObjectCommit implements Commit {
  readonly hashKey: Buffer
  readonly #parts: CommitParts
  readonly #writable: Writable
  readonly #queue = new SerialQueue((failure) => this.#publishIfDiskIsFull(failure))
  readonly #committer: Committer
  readonly #space: OutboxSpace
  readonly #ledger = new Ledger()
  readonly #router: Router
  readonly #deduplicator: Deduplicator
  readonly #rejects: RejectWriter
  readonly #progress: SourceProgress
  readonly #secrets: PipelineSecrets
  #epoch: OpenEpoch | undefined
  #end: End | undefined
  /** The stream is in use. Publishing of recovered objects may fail before. */
  #isAttached = false
  #isClosing = false

  constructor(parts: CommitParts) {
    const { options, state, index, localRejects } = parts
    const { replay, stopping } = options
    this.#parts = parts
    this.#secrets = options.secrets ?? new PipelineSecrets()
    this.hashKey = state.hashKey
    this.#router = new Router({ ...options, sinks: options.sinks.map(({ name }) => name) })
    this.#deduplicator = new Deduplicator(index, { marksRejects: replay === undefined })
    this.#progress = new SourceProgress(state.partitions())
    this.#rejects = new RejectWriter(localRejects, state.hashKey, options)
    this.#committer = new Committer(parts, { failed: (error) => this.#fail(error) })
    const { publisher } = this.#committer
    this.#space = new OutboxSpace({
      ...options,
      bytes: (sink) => publisher.bytes(sink) + (this.#epoch?.files.bytes(sink) ?? 0),
      changed: () => publisher.changed(stopping),
    })
    this.#writable = this.#createWritable()
  }

  async recover(): Promise<void> {
    const { publisher } = this.#committer
    publisher.load()
    this.#committer.publishState()
    await publisher.recover()
  }

  position(partition = ''): Json | undefined {
    return this.#secrets.unseal(this.#parts.state.partition(partition)?.position)
  }

  localRejects(): readonly LocalRejectsRow[] {
    return this.#parts.localRejects.rows
  }

  writable(): Writable {
    this.#isAttached = true
    // A destroyed stream cannot be piped to: destroy it after the caller has done so.
    const { failure } = this.#queue
    if (failure) setImmediate(() => this.#writable.destroy(failure))
    return this.#writable
  }

  totals(): ReturnType<Commit['totals']> {
    return this.#committer.totals()
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#queue.fail(new SluiceError('INTERNAL', 'the commit is closed'))
    this.#epoch?.stopTimer()
    await this.#committer.stop()
    await this.#queue.idle()
    await this.#epoch?.files.abandon()
    this.#writable.destroy()
    await this.#committer.close()
  }

  #createWritable(): Writable {
    return new Writable({
      objectMode: true,
      highWaterMark: 1,
      write: (batch: Batch, _encoding, done) =>
        void reply(
          this.#queue.run(() => this.#write(batch)),
          done,
        ),
      final: (done) => void reply(this.#finish(), done),
      destroy: (error, done) => {
        // A write that waits for space, or an upload, must not delay the end of a failed run.
        if (error) this.#queue.fail(error)
        void reply(this.#committer.publisher.stop(), () => done(error))
      },
    })
  }

  async #write(batch: Batch): Promise<void> {
    if (this.#end) throw new SluiceError('LEDGER_MISMATCH', "a batch arrived after the source's end")
    if (batch.commit) return this.#commitNow(batch.commit)
    this.#ledger.enter(batch)
    const delivered = observeDelivery(this.#parts.options.events, batch)
    if (batch.count > 0) this.#committer.connection.start()
    const epoch = (this.#epoch ??= this.#openEpoch())
    this.#router.enter(batch)
    const result = await this.#deduplicator.deduplicate(batch)
    const shares = this.#router.share(result.written)
    this.#ledger.add(batch, result, shares)
    for (const { sink, records } of shares) await epoch.files.append(sink, batch, records)
    await this.#rejects.write(epoch, batch, result)
    delivered(result)
    if (!this.#parts.options.replay) this.#progress.add(batch)
    if (this.#parts.options.releasesBatches === true) batch.release()
    this.#end = batch.end
    if (this.#ledger.isInside) return
    if (this.#end || epoch.isDue || this.#parts.localRejects.isFull || this.#space.isFull) await this.#commit(epoch)
    if (!this.#end) await this.#space.wait(() => this.#queue.throwIfFailed())
  }

  #openEpoch(): OpenEpoch {
    const epoch = openEpoch(this.#parts, (overdue) => this.#commitOverdue(overdue))
    this.#parts.options.events?.publish('sluice:epoch:open', { epoch: epoch.number })
    return epoch
  }

  /** Commits before the epoch is due. Objects of earlier epochs and runs are waited for, too. */
  async #commitNow(request: CommitRequest): Promise<void> {
    if (this.#epoch) await this.#commit(this.#epoch)
    request.committed(this.#committer.publisher.published())
  }

  /** Finishes an epoch and makes it durable. */
  async #commit(epoch: OpenEpoch): Promise<void> {
    epoch.stopTimer()
    if (epoch.files.hasRecords) await this.#committer.connection.check()
    const tally = this.#ledger.close()
    const objects = await epoch.files.finish()
    checkSinks(tally, objects)
    // A link to the next page can hold a key.
    const partitions = this.#progress.endEpoch().map((row) => ({ ...row, position: this.#secrets.seal(row.position) }))
    const oldest = this.#progress.oldestEventTime()
    await this.#committer.commit({ number: epoch.number, objects, partitions, oldest, tally })
    this.#epoch = undefined
  }

  #commitOverdue(epoch: OpenEpoch): void {
    this.#queue
      .run(async () => {
        if (this.#epoch === epoch && !this.#ledger.isInside) await this.#commit(epoch)
      })
      .catch((error: Error) => this.#fail(error))
  }

  async #finish(): Promise<void> {
    await this.#queue.idle()
    this.#queue.throwIfFailed()
    if (!this.#end)
      throw new SluiceError('LEDGER_MISMATCH', "the stream ended without the source's end: a stage returned early")
    await this.#committer.drain(this.#end.kind === 'interrupted')
    this.#queue.throwIfFailed()
  }

  /**
   * Frees the space of committed files. Otherwise the next run would find the disk just as full.
   */
  async #publishIfDiskIsFull({ code }: SluiceError): Promise<void> {
    if (code !== 'DISK_FULL') return
    await Promise.allSettled([this.#committer.drain(this.#parts.options.stopping?.aborted === true)])
  }

  #fail(error: Error): void {
    this.#queue.fail(error)
    if (this.#isAttached && !this.#isClosing) this.#writable.destroy(error)
  }
}

async function reply(operation: Promise<void>, done: (error?: Error | null) => void): Promise<void> {
  const [result] = await Promise.allSettled([operation])
  if (result.status === 'fulfilled') done()
  else done(asSluiceError(result.reason, 'INTERNAL', 'the commit failed'))
}
