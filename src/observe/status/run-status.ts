import { hostname } from 'node:os'
import type { EventName, Events, RunStart } from '../bus/events.ts'
import type { RunEvents } from '../bus/run-events.ts'
import { listen } from '../bus/subscribe.ts'
import { ClockSkew } from '../clock-skew.ts'
import { listenLines } from '../log-lines.ts'
import { ReadTimes } from '../read-times.ts'
import { bottleneckOf } from './bottleneck.ts'
import { Freshness } from './freshness.ts'
import { Objects } from './objects.ts'
import { Rates } from './rates.ts'
import { ShardProgressSums } from './shard-progress.ts'
import { SourceRequests } from './source-requests.ts'
import { NETWORK, RATE_LIMIT, RETRY } from './waits.ts'
import type { StageStatus, StatusNote, StatusSnapshot } from './snapshot.ts'

const statuses = new WeakMap<RunEvents, RunStatus>()

/**
 * The status of a run. It listens from the first call on: call it before the run begins. Everybody who
 * asks gets the same one.
 */
export function statusOf(events: RunEvents): RunStatus {
  const known = statuses.get(events)
  if (known) return known
  const status = new RunStatus(events)
  statuses.set(events, status)
  return status
}

/** Keeps what a run says about itself, in sums. */
export class RunStatus {
  readonly #events: RunEvents
  readonly #startedAt = Date.now()
  readonly #rates = new Rates()
  readonly #objects = new Objects()
  readonly #times = new ReadTimes()
  readonly #freshness = new Freshness()
  readonly #requests = new SourceRequests()
  readonly #clockSkew = new ClockSkew()
  readonly #shards = new ShardProgressSums()
  readonly #ledger = { read: 0, added: 0, written: 0, dropped: 0, duplicate: 0, rejected: 0 }
  readonly #rejects = new Map<string, number>()
  readonly #commits: { count: number; lastAt?: number; lastMilliseconds?: number } = { count: 0 }
  readonly #stops: (() => void)[] = []
  readonly #ends: (() => void)[] = []
  #notes: StatusNote[] = []
  #start: RunStart | undefined
  #end: Events['sluice:run:end'] | undefined
  #dedup: Events['sluice:state:open']['dedup']
  #deadLetters: Events['sluice:state:open']['deadLetters'] | undefined
  #isReading = false
  #isStopping = false
  #totalBytes: number | undefined
  readonly #read = { records: 0, bytes: 0 }

  constructor(events: RunEvents) {
    this.#events = events
    const on = <Name extends EventName>(name: Name, listener: (message: Events[Name]) => void): void =>
      void this.#stops.push(listen(name, { run: events.run }, listener))
    on('sluice:run:start', (start) => {
      this.#start = start
      this.#objects.start(start)
    })
    this.#stops.push(
      listenLines(events, 'warn', ({ code, message }) => {
        if (!SAID_BETTER.has(code)) this.#note(message)
      }),
    )
    on('sluice:state:open', ({ partitions, outboxes, dedup, deadLetters }) => {
      this.#freshness.commit(partitions)
      this.#objects.holds(outboxes)
      this.#dedup = dedup
      this.#deadLetters = deadLetters
    })
    on('sluice:run:end', (end) => {
      this.#end = end
      this.close()
    })
    on('sluice:source:open', ({ totalBytes }) => {
      this.#isReading = true
      this.#totalBytes = totalBytes
    })
    on('sluice:run:work', ({ sources, stages, delivery }) => {
      for (const source of sources) {
        this.#read.records += source.records
        this.#read.bytes += source.bytes
        this.#times.take(source)
      }
      for (const { stage, recordsIn, bytesIn, milliseconds } of stages)
        this.#rates.add(stage, { records: recordsIn, bytes: bytesIn, milliseconds })
      this.#rates.add(DELIVERY, delivery)
    })
    on('sluice:source:request', (request) => {
      this.#rates.add(NETWORK, { milliseconds: request.milliseconds })
      this.#requests.take(request.status)
      this.#clockSkew.take(request)
    })
    on('sluice:store:request', (request) => this.#clockSkew.take(request))
    on('sluice:source:wait', ({ wait }) => this.#rates.add(RATE_LIMIT, { milliseconds: wait }))
    on('sluice:source:retry', ({ partition, code, message = code, attempt, attempts, wait }) => {
      this.#rates.add(RETRY, { milliseconds: wait })
      this.#note(`a request of ${partition} has failed, attempt ${attempt} of ${attempts}: ${message}`)
    })
    on('sluice:epoch:commit', (commit) => this.#commit(commit))
    on('sluice:object:publish', (published) => this.#objects.publish(published))
    on('sluice:object:retry', (retry) => {
      this.#objects.retry(retry)
      this.#note(`publishing to ${retry.sink} has failed with ${retry.code}, attempt ${retry.attempt}`)
    })
    on('sluice:outbox:full', (full) => this.#objects.full(full))
    on('sluice:outbox:free', () => this.#objects.free())
    on('sluice:shard:plan', (plan) => this.#shards.plan(plan))
    on('sluice:shard:change', (change) => this.#shards.change(change))
    on('sluice:shard:progress', (progress) => this.#shards.progress(progress))
  }

  /** The run was asked to end. */
  stopping(): void {
    this.#isStopping = true
  }

  /** Calls a function at the end of the run, or at once if it is over. */
  onEnd(listener: () => void): void {
    if (this.#end) listener()
    else this.#ends.push(listener)
  }

  /** Hears no more. */
  close(): void {
    for (const stop of this.#stops.splice(0)) stop()
    for (const end of this.#ends.splice(0)) end()
  }

  /** Call it several times a second: rates are those since the calls of the last seconds. */
  snapshot(): StatusSnapshot {
    const now = Date.now()
    const shards = this.#shards.snapshot()
    const rates = this.#rates.measure(this.#read)
    const stages = this.#stages(rates.seconds)
    const isFull = this.#objects.isFull
    const left = secondsLeft(this.#totalBytes, this.#read.bytes, (now - this.#startedAt) / 1000)
    return {
      version: 1,
      pipeline: this.#events.pipeline,
      run: this.#events.run,
      pid: process.pid,
      host: hostname(),
      takenAt: now,
      startedAt: this.#startedAt,
      state: this.#state(isFull, shards !== undefined),
      ...(this.#end && { outcome: this.#end.outcome, code: this.#end.code }),
      windowSeconds: rates.seconds,
      read: {
        ...this.#read,
        recordsPerSecond: rates.records,
        bytesPerSecond: rates.bytes,
        ...(this.#totalBytes !== undefined && { totalBytes: this.#totalBytes, secondsLeft: left }),
        ...this.#times.at(now),
      },
      stages,
      bottleneck: rates.seconds > 0 && shards === undefined ? bottleneckOf(stages, this.#rates, isFull) : undefined,
      ledger: { ...this.#ledger },
      rejects: Object.fromEntries([...this.#rejects].toSorted(([, a], [, b]) => b - a).slice(0, MOST_CODES)),
      commits: { ...this.#commits },
      freshness: this.#freshness.snapshot(now),
      dedup: this.#dedup && { ...this.#dedup },
      deadLetters: this.#deadLetters && { ...this.#deadLetters },
      requests: this.#requests.snapshot(),
      clockAheadSeconds: this.#clockSkew.seconds,
      sinks: this.#objects.sinks(),
      objects: this.#objects.latest(),
      notes: [...this.#notes],
      shards,
    }
  }

  #state(isFull: boolean, hasShards: boolean): StatusSnapshot['state'] {
    if (this.#end) return 'ended'
    if (this.#isStopping) return 'stopping'
    if (!this.#isReading && !hasShards) return 'starting'
    return isFull ? 'waiting' : 'reading'
  }

  #stages(seconds: number): StageStatus[] {
    if (this.#start === undefined) return []
    const { source, transforms, sinks } = this.#start
    const others = transforms.map((transform): StageStatus => ({
      ...transform,
      kind: 'transform',
      ...this.#rates.of(transform.stage),
    }))
    const types = [...new Set(sinks.map(({ type }) => type))]
    const delivery: StageStatus = {
      stage: DELIVERY,
      type: types.join(', '),
      kind: 'delivery',
      ...this.#rates.of(DELIVERY),
    }
    const busy = [...others, delivery].reduce((sum, { share }) => sum + share, 0)
    const first: StageStatus = {
      ...source,
      kind: 'source',
      ...this.#rates.read,
      share: seconds > 0 ? Math.max(0, 1 - busy) : 0,
    }
    return [first, ...others, delivery]
  }

  #commit(commit: Events['sluice:epoch:commit']): void {
    const { read, added, written, duplicate, rejected, dropped, rejects, partitions, milliseconds } = commit
    const ledger = this.#ledger
    ledger.read += read
    ledger.added += added
    ledger.written += written
    ledger.duplicate += duplicate
    ledger.rejected += rejected
    for (const count of Object.values(dropped)) ledger.dropped += count
    for (const [code, count] of Object.entries(rejects)) this.#rejects.set(code, (this.#rejects.get(code) ?? 0) + count)
    this.#commits.count++
    this.#commits.lastAt = Date.now()
    this.#commits.lastMilliseconds = milliseconds
    this.#freshness.commit(partitions)
    this.#objects.commit(commit)
    this.#dedup = commit.dedup
    this.#deadLetters = commit.deadLetters
    this.#rates.add(DELIVERY, { milliseconds })
  }

  #note(message: string): void {
    this.#notes = [{ at: Date.now(), message }, ...this.#notes].slice(0, MOST_NOTES)
  }
}

/** The stage after the transforms. No transform has this name. */
const DELIVERY = 'delivery'

/** Lines whose facts matter: the notes of their own messages have them. */
const SAID_BETTER: ReadonlySet<string> = new Set(['source.retry', 'object.retry'])

const MOST_CODES = 10
const MOST_NOTES = 5

function secondsLeft(total: number | undefined, bytes: number, seconds: number): number | undefined {
  return total === undefined || bytes === 0 ? undefined : (Math.max(0, total - bytes) * seconds) / bytes
}
