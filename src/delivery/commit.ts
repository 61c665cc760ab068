import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { ObjectSink } from '../component.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Batch, End, Reject } from '../record/batch.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import type { Paths } from '../record/paths/path.ts'
import type { Compression } from '../compression/compress.ts'
import type { Database } from './state/database.ts'
import { DedupIndex } from './dedup/dedup-index.ts'
import { realFiles } from '../files.ts'
import type { Files } from '../files.ts'
import { LocalRejects, rejectsFolder } from './rejects/local-rejects.ts'
import type { LocalRejectsRow } from './state/rows.ts'
import { parseKeyTemplate } from '../fields/key-template.ts'
import { compileKeyTemplate } from './outbox/partitioner.ts'
import { Ledger } from './ledger.ts'
import { OutboxEpoch } from './outbox/outbox.ts'
import type { OutboxTarget, Roll } from './outbox/outbox.ts'
import { Publisher } from './outbox/publisher.ts'
import type { Note } from '../observe/log.ts'
import { formatRejectId } from './rejects/reject-id.ts'
import { rejectLine } from './rejects/reject-line.ts'
import type { Unparsed } from './rejects/reject-line.ts'
import { Deduplicator } from './dedup/deduplicate.ts'
import { State } from './state/state.ts'
import type { PartitionRow } from './state/rows.ts'
import type { Role } from './state/rows.ts'
import { addTally, emptyTally } from './tally.ts'
import type { Tally } from './tally.ts'

/** An object sink with what its configuration says about objects, see `objectFields`. */
export interface ObjectTarget {
  /** Name in messages. */
  readonly stage: string
  /** Name of the component: only one of the same type may publish what this one has committed. */
  readonly type: string
  readonly sink: ObjectSink
  /** See `parseKeyTemplate`. */
  readonly key: string
  readonly compression: Compression
  readonly compressionLevel?: number | undefined
  readonly roll: Roll
  readonly outbox: { readonly maxBytes: number }
}

export interface CommitOptions {
  /** The pipeline's own; made when absent. */
  readonly folder: string
  readonly pipeline: string
  /** What must not change while the state lives: another value is refused with STATE_MISMATCH. */
  readonly fingerprint: JsonObject
  /** Those of the pipeline: keys are made of records. */
  readonly paths: Paths
  readonly sink: ObjectTarget
  /** Where rejects are copied to. */
  readonly rejects?: ObjectTarget | undefined
  /** Rejects are kept in `<folder>/rejects`, in so many bytes: the oldest go. Default: all stay. */
  readonly localRejectBytes?: number | undefined
  /** Default: `digest`. */
  readonly unparsed?: Unparsed | undefined
  readonly dedup?: DedupOptions | undefined
  readonly note: Note
  /** Aborted when the run is asked to end: what is still under way is taken even when the outbox is full. */
  readonly stopping?: AbortSignal
  /** Milliseconds for which the end of a run waits for a store that takes nothing: 2 minutes; of an interrupted run in all: 20 seconds. */
  readonly patience?: { readonly done: number; readonly interrupted: number }
  /** The memory of a batch is given back when it is written: nobody keeps it, or anything that refers to it. */
  readonly releasesBatches?: boolean
  /** Bytes of lines that wait in memory, over all partitions: 32 MiB. */
  readonly bufferBytes?: number
  readonly files?: Files
  readonly openDatabase?: (folder: string) => Database
  readonly now?: () => number
}

export interface DedupOptions {
  readonly stage: string
  /** Milliseconds; undefined: claims are kept for ever. */
  readonly within?: number | undefined
  /** Bytes. */
  readonly memory: number
}

/** The durable end of a pipeline. One for each state folder at a time. */
export interface Commit {
  /** The committed position of a partition; undefined when there is none. */
  position(partition?: string): Json | undefined
  /** Secret of the de-duplication digests, the same as long as the state lives. */
  readonly hashKey: Buffer
  /**
   * The pipeline's last stream, once. It finishes when the source's end has arrived and all that was committed is published. It fails, with
   * what is committed kept, when that cannot be.
   */
  writable(): Writable
  /** The committed rejects that are kept, the oldest first. */
  localRejects(): readonly LocalRejectsRow[]
  /** What this run has committed; after `close` as it was then. */
  totals(): CommitTotals
  /** Gives up what is not committed and not published, and closes the sinks. */
  close(): Promise<void>
}

interface CommitTotals extends Tally {
  /** Bytes of the sink's objects. */
  readonly bytesOut: number
  readonly epochs: number
  /** The sink's objects, published or not. */
  readonly objects: readonly { key: string; records: number; bytes: number; sha256: string }[]
}

/**
 * Recovers what an earlier process left in the folder, and opens it.
 * @throws SluiceError STATE_IN_USE, STATE_MISMATCH, STATE_DAMAGED, OUTBOX_LOST, DISK_FULL, DISK_FAILED, UNSUPPORTED
 */
export async function openCommit(options: CommitOptions): Promise<Commit> {
  const { folder, pipeline, fingerprint, dedup, files = realFiles } = options
  const targets = outboxTargets(options)
  const state = await State.open({ folder, files, pipeline, fingerprint, openDatabase: options.openDatabase })
  try {
    const index =
      dedup &&
      (await DedupIndex.open({
        ...dedup,
        within: dedup.within,
        folder: join(folder, 'dedup'),
        files,
        rows: state.dedupBuckets(),
      }))
    const kept = await LocalRejects.open({
      folder: rejectsFolder(folder),
      files,
      rows: state.localRejects(),
      budget: options.localRejectBytes ?? Infinity,
    })
    const commit = new ObjectCommit({ options, files, state, index, kept, targets })
    await commit.recover()
    return commit
  } catch (error) {
    await state.close()
    throw error
  }
}

interface Parts {
  readonly options: CommitOptions
  readonly files: Files
  readonly state: State
  readonly index: DedupIndex | undefined
  readonly kept: LocalRejects
  readonly targets: readonly OutboxTarget[]
}

class ObjectCommit implements Commit {
  readonly hashKey: Buffer
  readonly #parts: Parts
  readonly #now: () => number
  readonly #writable: Writable
  readonly #publisher: Publisher
  readonly #ledger = new Ledger()
  readonly #deduplicator: Deduplicator
  readonly #firstEpoch: number
  /** The oldest event time that each partition can still yield. */
  readonly #lowWatermarks = new Map<string, number>()
  /** Partitions that this run has read from. */
  readonly #seen = new Set<string>()
  #epoch: OpenEpoch | undefined
  #end: End | undefined
  /** The batch before was a chunk, and not the last one. */
  #isAfterPart = false
  /** Of the replay whose chunks are coming. */
  #duplicateParts = 0
  #tally = emptyTally()
  #epochs = 0
  /** The last of the operations, which run one behind the other. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Set by the first failure: nothing is committed behind it. */
  #failure: Error | undefined
  #totals: CommitTotals | undefined
  /** Somebody will hear of a failure. A store may refuse what was recovered before that. */
  #isAttached = false
  #isClosing = false

  constructor(parts: Parts) {
    const { options, files, state, index, targets } = parts
    this.#parts = parts
    this.#now = options.now ?? Date.now
    this.#deduplicator = new Deduplicator(index)
    this.#firstEpoch = state.nextEpoch
    this.hashKey = state.hashKey
    for (const { partition, lowWatermark } of state.partitions()) {
      if (lowWatermark !== undefined) this.#lowWatermarks.set(partition, lowWatermark)
    }
    this.#writable = this.#createWritable()
    this.#publisher = new Publisher({
      folder: outboxFolder(options),
      files,
      state,
      sinks: targets,
      now: this.#now,
      note: options.note,
      failed: (error) => this.#fail(error),
    })
  }

  async recover(): Promise<void> {
    await this.#publisher.recover()
  }

  position(partition = ''): Json | undefined {
    return this.#parts.state.partition(partition)?.position
  }

  localRejects(): readonly LocalRejectsRow[] {
    return this.#parts.kept.rows
  }

  writable(): Writable {
    this.#isAttached = true
    // A stream that is destroyed already cannot be piped to: it fails when it has been.
    if (this.#failure) setImmediate(() => this.#writable.destroy(this.#failure))
    return this.#writable
  }

  totals(): CommitTotals {
    if (this.#totals) return this.#totals
    const { state } = this.#parts
    const isOurs = (row: { epoch: number; role: Role }): boolean => row.epoch >= this.#firstEpoch && row.role === 'sink'
    const objects = [...state.history(this.#firstEpoch), ...state.objects()]
      .filter(isOurs)
      .toSorted((a, b) => a.epoch - b.epoch || a.part - b.part)
      .map(({ key, records, bytes, sha256 }) => ({ key, records, bytes, sha256 }))
    const bytesOut = objects.reduce((sum, { bytes }) => sum + bytes, 0)
    return { ...this.#tally, bytesOut, epochs: this.#epochs, objects }
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#failure ??= new SluiceError('INTERNAL', 'the commit is closed')
    clearTimeout(this.#epoch?.timer)
    await this.#publisher.stop()
    await this.#turn
    await this.#epoch?.files.abandon()
    await this.#parts.kept.abandon()
    this.#totals = this.totals()
    this.#writable.destroy()
    const { state, targets } = this.#parts
    await state.close()
    for (const { sink } of targets) await sink.close?.()
  }

  #createWritable(): Writable {
    return new Writable({
      objectMode: true,
      highWaterMark: 1,
      write: (batch: Batch, _encoding, done) =>
        void answer(
          this.#exclusive(() => this.#write(batch)),
          done,
        ),
      final: (done) => void answer(this.#finish(), done),
      destroy: (error, done) => {
        // A write that waits for space, and what is being published, must not hold a run that is given up.
        if (error) this.#failure ??= error
        void answer(this.#publisher.stop(), () => done(error))
      },
    })
  }

  /** A failure is final: what is on the disk can only be known again by a recovery. */
  #exclusive(operation: () => Promise<void>): Promise<void> {
    const result = this.#runBehind(this.#turn, operation)
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #runBehind(turn: Promise<unknown>, operation: () => Promise<void>): Promise<void> {
    await turn
    if (this.#failure) throw this.#failure
    try {
      await operation()
    } catch (error) {
      const failure = asSluiceError(error, 'INTERNAL', 'the commit failed')
      if (failure.code === 'DISK_FULL') await this.#makeSpace()
      this.#failure ??= failure
      throw error
    }
  }

  /** What is published takes no more space. A run that gave up at once would leave the next one as full a disk. */
  async #makeSpace(): Promise<void> {
    const { patience = PATIENCE, stopping } = this.#parts.options
    await Promise.allSettled([this.#publisher.drain(patience, { hurry: stopping?.aborted === true, stopping })])
  }

  #fail(error: Error): void {
    this.#failure ??= error
    if (this.#isAttached && !this.#isClosing) this.#writable.destroy(error)
  }

  async #write(batch: Batch): Promise<void> {
    if (this.#end) throw new SluiceError('LEDGER_MISMATCH', "a batch came behind the source's end")
    this.#ledger.enter(batch)
    const epoch = (this.#epoch ??= this.#openEpoch())
    const result = await this.#deduplicator.deduplicate(batch)
    this.#ledger.add(batch, result)
    await epoch.files.append('sink', batch, result.written)
    await this.#keepRejects(epoch, batch, result.rejects)
    this.#forgetReplayed(batch, result.duplicate)
    this.#isAfterPart = batch.continues
    this.#keepProgress(epoch, batch)
    if (this.#parts.options.releasesBatches === true) batch.release()
    this.#end = batch.end
    if (this.#ledger.isInside) return
    if (this.#end || epoch.files.isFull || this.#parts.kept.isFull || epoch.isOverdue || this.#fullTarget())
      await this.#commit(epoch)
    await this.#waitForSpace()
  }

  async #finish(): Promise<void> {
    await this.#turn
    if (this.#failure) throw this.#failure
    if (!this.#end)
      throw new SluiceError('LEDGER_MISMATCH', "the stream ended without the source's end: a stage returned early")
    const { patience = PATIENCE, stopping } = this.#parts.options
    await this.#publisher.drain(patience, { hurry: this.#end.kind === 'interrupted', stopping })
    if (this.#failure) throw this.#failure
  }

  #openEpoch(): OpenEpoch {
    const { options, files, state, targets } = this.#parts
    const number = state.nextEpoch
    const openedAt = this.#now()
    const outbox = {
      folder: outboxFolder(options),
      files,
      pipeline: options.pipeline,
      generation: state.generation,
      targets,
      bufferBytes: options.bufferBytes ?? BUFFER_BYTES,
    }
    const epoch: OpenEpoch = {
      number,
      files: new OutboxEpoch(outbox, number, openedAt),
      partitions: new Map(),
      isOverdue: false,
      timer: undefined,
    }
    this.#commitWhenOld(epoch)
    return epoch
  }

  #commitWhenOld(epoch: OpenEpoch): void {
    const { targets } = this.#parts
    const maxAge = Math.min(...targets.map(({ roll }) => roll.maxAge), LONGEST_TIMER)
    epoch.timer = setTimeout(() => {
      epoch.isOverdue = true
      this.#exclusive(async () => {
        if (this.#epoch === epoch && !this.#ledger.isInside) await this.#commit(epoch)
      }).catch((error: Error) => this.#fail(error))
    }, maxAge)
  }

  async #keepRejects(epoch: OpenEpoch, batch: Batch, rejects: readonly Reject[]): Promise<void> {
    const { options, kept } = this.#parts
    const isPiece = batch.continues || this.#isAfterPart
    for (const reject of rejects) {
      const id = { epoch: epoch.number, at: kept.count }
      const line = rejectLine(batch, reject, { id, unparsed: options.unparsed ?? 'digest', isPiece })
      await kept.append(epoch.number, line)
      if (options.rejects) await epoch.files.appendReject(batch, reject.record, line)
    }
  }

  /**
   * What is a copy of a written record is done with. A part may be taken for one where its sibling has the same key: then it is neither
   * written nor forgotten.
   */
  #forgetReplayed({ replay, continues }: Batch, duplicates: number): void {
    if (!replay) return
    this.#duplicateParts += replay.part ? duplicates : 0
    if (continues) return
    if (this.#duplicateParts === 0) this.#parts.kept.forget(replay.id)
    else
      this.#parts.options.note('a reject stays: its key is taken, perhaps by a part of the same record', {
        id: formatRejectId(replay.id),
      })
    this.#duplicateParts = 0
  }

  #keepProgress(epoch: OpenEpoch, { partition, position, lowWatermark, tallies, replay }: Batch): void {
    if (!replay && (tallies.read > 0 || position !== undefined)) this.#seen.add(partition)
    // A low watermark without a position would not hold: the next run reads again from the position before it.
    if (position === undefined) return
    epoch.partitions.set(partition, {
      ...epoch.partitions.get(partition),
      partition,
      position,
      ...(lowWatermark !== undefined && { lowWatermark }),
    })
  }

  /** One at a time, in the order that the promise rests on: no step begins before the one above it is durable. */
  async #commit(epoch: OpenEpoch): Promise<void> {
    clearTimeout(epoch.timer)
    const { options, files, state, index, kept } = this.#parts
    const tally = this.#ledger.close()
    const objects = await epoch.files.finish()
    const rejectsChange = await kept.finish()
    const partitions = [...epoch.partitions.values()]
    for (const { partition, lowWatermark } of partitions)
      if (lowWatermark !== undefined) this.#lowWatermarks.set(partition, lowWatermark)
    const oldest = this.#oldestInstant()
    const claims = (await index?.write({ keep: oldest === -Infinity })) ?? { rows: [], created: false }
    if (objects.length > 0) await files.fsyncFolder(outboxFolder(options))
    if (rejectsChange.created) await files.fsyncFolder(rejectsFolder(options.folder))
    if (claims.created) await files.fsyncFolder(join(options.folder, 'dedup'))

    if (partitions.length > 0 || tally.read + tally.added > 0) {
      const expired = index?.expired(oldest) ?? []
      const change = { epoch: epoch.number, partitions, objects, dedupBuckets: claims.rows, expired, tally }
      await state.commit({ ...change, localRejects: rejectsChange })
      this.#epochs++
      await kept.committed(rejectsChange)
      if (rejectsChange.evicted > 0) options.note(LET_GO, { records: rejectsChange.evicted })
      await index?.committed(claims.rows, expired)
    }
    this.#epoch = undefined
    this.#tally = addTally(this.#tally, tally)
    this.#publisher.add(objects)
  }

  /** Partitions of this run that never tell their progress keep everything; so does a state that knows none. */
  #oldestInstant(): number {
    for (const partition of this.#seen) if (!this.#lowWatermarks.has(partition)) return -Infinity
    return this.#lowWatermarks.size === 0
      ? -Infinity
      : [...this.#lowWatermarks.values()].reduce((a, b) => Math.min(a, b))
  }

  #fullTarget(): ObjectTarget | undefined {
    const { sink, rejects = sink } = this.#parts.options
    if (this.#outboxBytes('sink') >= sink.outbox.maxBytes) return sink
    return this.#outboxBytes('rejects') >= rejects.outbox.maxBytes ? rejects : undefined
  }

  #outboxBytes(role: Role): number {
    return this.#publisher.bytes(role) + (this.#epoch?.files.bytes(role) ?? 0)
  }

  async #waitForSpace(): Promise<void> {
    const { note, stopping } = this.#parts.options
    const full = this.#fullTarget()
    if (!full || this.#end || stopping?.aborted) return
    note('the outbox is full; reading stops until the store takes objects again', {
      stage: full.stage,
      maxBytes: full.outbox.maxBytes,
    })
    while (this.#fullTarget()) {
      if (this.#failure) throw this.#failure
      if (stopping?.aborted) return
      await this.#publisher.changed(stopping)
    }
    note('the outbox has space again', { stage: full.stage })
  }
}

async function answer(operation: Promise<void>, done: (error?: Error | null) => void): Promise<void> {
  const [result] = await Promise.allSettled([operation])
  if (result.status === 'fulfilled') done()
  else done(asSluiceError(result.reason, 'INTERNAL', 'the commit failed'))
}

interface OpenEpoch {
  readonly number: number
  readonly files: OutboxEpoch
  readonly partitions: Map<string, PartitionRow>
  /** Older than it may become, in the middle of a batch. */
  isOverdue: boolean
  timer: NodeJS.Timeout | undefined
}

const PATIENCE = { done: 120_000, interrupted: 20_000 }
const BUFFER_BYTES = 32 << 20
const LET_GO = 'the oldest local rejects were deleted: there is no more space for them'

/** What setTimeout takes, about 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1

function outboxFolder({ folder }: CommitOptions): string {
  return join(folder, 'outbox')
}

function outboxTargets(options: CommitOptions): OutboxTarget[] {
  const { pipeline, paths, sink } = options
  const compile = (role: Role, target: ObjectTarget): OutboxTarget => ({
    role,
    type: target.type,
    sink: target.sink,
    key: compileKeyTemplate(parseKeyTemplate(target.key), { pipeline, paths }),
    compression: target.compression,
    ...(target.compressionLevel !== undefined && { compressionLevel: target.compressionLevel }),
    roll: target.roll,
  })
  return [compile('sink', sink), ...(options.rejects ? [compile('rejects', options.rejects)] : [])]
}
