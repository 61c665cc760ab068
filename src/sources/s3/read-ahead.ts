import { setMaxListeners } from 'node:events'
import { anySignal } from '../../signals.ts'
import { getRange } from './get-range.ts'
import type { ObjectIdentity } from './get-range.ts'
import type { Store } from './store.ts'

/** Bytes of one request. At 100 MB/s, its latency is a third of its time. */
const RANGE_BYTES = 4 * 1024 * 1024

/** Limits of what is requested and not yet used. Small objects need many requests at once. */
const AHEAD_BYTES = 16 * 1024 * 1024
const AHEAD_REQUESTS = 16

interface Wanted {
  readonly object: ObjectIdentity
  /** Where its stored bytes are read from. */
  readonly start: number
}

interface Opened<T> {
  readonly item: T
  /** Reads the stored bytes from an offset: the first time, from `start`, as they were requested ahead. */
  readonly read: (offset: number) => AsyncGenerator<Buffer, void>
}

interface Requested<T> {
  readonly item: T
  /** Where the next request begins. */
  next: number
  readonly ranges: Range[]
  /** Nothing more is requested. */
  isAbandoned: boolean
}

interface Range {
  readonly chunk: Promise<Buffer>
  readonly bytes: number
}

/**
 * Hands out items in order, and requests the bytes of their objects ahead: of the first one all that
 * fits, then of the next ones. So a large object comes in several requests at once, and so do many
 * small ones. No buffer is used twice.
 */
export class ReadAhead<T extends Wanted> {
  readonly #store: Store
  readonly #items: AsyncIterator<T>
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #queue: Requested<T>[] = []
  /** The next item; stays when there is none, or when it failed. */
  #coming: Promise<void> | undefined
  #hasEnded = false
  #requests = 0
  #bytes = 0

  constructor(store: Store, items: AsyncIterable<T>, stop: AbortSignal) {
    this.#store = store
    this.#items = items[Symbol.asyncIterator]()
    this.#signal = anySignal(stop, this.#ending.signal)
    setMaxListeners(0, this.#signal)
  }

  /** The items, each when the one before it is done with. */
  async *open(): AsyncGenerator<Opened<T>, void> {
    try {
      for (;;) {
        this.#fill()
        while (this.#queue.length === 0 && !this.#hasEnded) await this.#coming
        this.#signal.throwIfAborted()
        const current = this.#queue.at(0)
        if (current === undefined) return
        let isFresh = true
        const read = (offset: number): AsyncGenerator<Buffer, void> => {
          const isAhead = isFresh && offset === current.item.start
          isFresh = false
          return isAhead ? this.#take(current) : this.#again(current.item.object, offset)
        }
        yield { item: current.item, read }
        current.isAbandoned = true
        for (const { chunk, bytes } of current.ranges.splice(0)) {
          await chunk.catch(() => {})
          this.#release(bytes)
        }
        this.#queue.shift()
      }
    } finally {
      this.#ending.abort(new Error('the reading has ended'))
      await this.#items.return?.()
    }
  }

  /** Requests as much as the limits allow, in the order of use. */
  #fill(): void {
    for (const requested of this.#queue) while (isIncomplete(requested)) if (!this.#request(requested)) return
    if (this.#queue.length > AHEAD_REQUESTS) return
    this.#coming ??= this.#pull()
    // Thrown when its turn comes, if it still does.
    this.#coming.catch(() => {})
  }

  async #pull(): Promise<void> {
    const result = await this.#items.next()
    this.#signal.throwIfAborted()
    if (result.done === true) {
      this.#hasEnded = true
      return
    }
    this.#queue.push({ item: result.value, next: result.value.start, ranges: [], isAbandoned: false })
    this.#coming = undefined
    this.#fill()
  }

  #request(requested: Requested<T>): boolean {
    const { object } = requested.item
    const bytes = Math.min(RANGE_BYTES, object.bytes - requested.next)
    const isFull = this.#requests >= AHEAD_REQUESTS || this.#bytes + bytes > AHEAD_BYTES
    if (this.#requests > 0 && isFull) return false
    const range = { start: requested.next, end: requested.next + bytes, signal: this.#signal }
    const chunk = getRange(this.#store, object, range)
    chunk.catch(() => {})
    requested.ranges.push({ chunk, bytes })
    requested.next += bytes
    this.#requests++
    this.#bytes += bytes
    return true
  }

  #release(bytes: number): void {
    this.#requests--
    this.#bytes -= bytes
    this.#fill()
  }

  async *#take({ ranges }: Requested<T>): AsyncGenerator<Buffer, void> {
    for (let range = ranges.at(0); range !== undefined; range = ranges.at(0)) {
      const chunk = await range.chunk
      ranges.shift()
      try {
        yield chunk
      } finally {
        this.#release(range.bytes)
      }
    }
  }

  /** Reads what was read before, without looking ahead. */
  async *#again(object: ObjectIdentity, offset: number): AsyncGenerator<Buffer, void> {
    const signal = this.#signal
    for (let start = offset; start < object.bytes; start += RANGE_BYTES) {
      yield await getRange(this.#store, object, { start, end: Math.min(object.bytes, start + RANGE_BYTES), signal })
    }
  }
}

function isIncomplete({ item, next, isAbandoned }: Requested<Wanted>): boolean {
  return !isAbandoned && next < item.object.bytes
}
