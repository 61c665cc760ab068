import type { EpochCommit, ObjectPublish, ObjectRetry, OutboxFull, RunStart, StateOpen } from '../bus/events.ts'
import type { PublishedObject, SinkStatus } from './snapshot.ts'

interface Sink {
  readonly type: string
  records: number
  readonly committed: Count
  readonly published: Count
  readonly waiting: Count
  isFull: boolean
  maxBytes: number | undefined
  retries: number
  code: string | undefined
}

interface Count {
  objects: number
  bytes: number
}

/** What the sinks have got: committed, waiting in their outbox, published. */
export class Objects {
  readonly #sinks = new Map<string, Sink>()
  #latest: PublishedObject[] = []

  start({ sinks }: RunStart): void {
    for (const { sink, type } of sinks) this.#sinks.set(sink, emptySink(type))
  }

  /** What the state holds: also of earlier runs. */
  holds(outboxes: StateOpen['outboxes']): void {
    for (const { sink: name, objects, bytes, maxBytes } of outboxes) {
      const sink = this.#sink(name)
      Object.assign(sink.waiting, { objects, bytes })
      sink.maxBytes = maxBytes
    }
  }

  commit({ sinks, outboxes }: EpochCommit): void {
    for (const [name, { records, objects, bytes }] of Object.entries(sinks)) {
      const sink = this.#sink(name)
      sink.records += records
      add(sink.committed, objects, bytes)
    }
    this.holds(outboxes)
  }

  publish({ sink: name, key, records, bytes }: ObjectPublish): void {
    const sink = this.#sink(name)
    add(sink.published, 1, bytes)
    // What a worker has staged at the store has no bytes on the disk.
    sink.waiting.objects = Math.max(0, sink.waiting.objects - 1)
    sink.waiting.bytes = Math.max(0, sink.waiting.bytes - bytes)
    sink.retries = 0
    sink.code = undefined
    this.#latest = [{ at: Date.now(), sink: name, key, records, bytes }, ...this.#latest].slice(0, LATEST)
  }

  retry({ sink: name, code }: ObjectRetry): void {
    const sink = this.#sink(name)
    sink.retries++
    sink.code = code
  }

  full({ sink: name, maxBytes }: OutboxFull): void {
    const sink = this.#sink(name)
    sink.isFull = true
    sink.maxBytes = maxBytes
  }

  /** Every outbox has space again. */
  free(): void {
    for (const sink of this.#sinks.values()) sink.isFull = false
  }

  get isFull(): boolean {
    return [...this.#sinks.values()].some((sink) => sink.isFull)
  }

  sinks(): SinkStatus[] {
    return [...this.#sinks].map(([sink, { committed, published, waiting, ...others }]) => ({
      sink,
      ...others,
      ...committed,
      published: { ...published },
      waiting: { ...waiting },
    }))
  }

  latest(): PublishedObject[] {
    return [...this.#latest]
  }

  #sink(name: string): Sink {
    const known = this.#sinks.get(name)
    if (known) return known
    const sink = emptySink('')
    this.#sinks.set(name, sink)
    return sink
  }
}

const LATEST = 5

function emptySink(type: string): Sink {
  const counts = { committed: none(), published: none(), waiting: none() }
  return { type, records: 0, ...counts, isFull: false, maxBytes: undefined, retries: 0, code: undefined }
}

function none(): Count {
  return { objects: 0, bytes: 0 }
}

function add(count: Count, objects: number, bytes: number): void {
  count.objects += objects
  count.bytes += bytes
}
