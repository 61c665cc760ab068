import type { RunEvents } from '../observe/bus/run-events.ts'

/** What was taken in at once. */
interface Taken {
  readonly partition: string
  readonly records: number
  readonly bytes: number
  readonly unfinished?: boolean
  readonly lowWatermark?: number | undefined
  /** How long the run waited for it. */
  readonly milliseconds?: number | undefined
}

/** Event times of a source partition, in milliseconds since 1970, if the source knows them. */
interface ReadTimes {
  /** Where this run began to read. */
  readonly readFrom?: number | undefined
  readonly readUpTo?: number | undefined
}

/**
 * What a run has read so far, counted where batches enter it, independently of every component. Each
 * addition is published.
 */
export class Intake {
  readonly #events: RunEvents | undefined
  #records = 0
  #bytes = 0
  #unfinished = 0

  /** Default: nothing is published. */
  constructor(events?: RunEvents) {
    this.#events = events
  }

  /** True if somebody listens to what is taken in. */
  get isObserved(): boolean {
    return this.#events?.work.isWanted === true || this.#events?.wants('sluice:source:chunk') === true
  }

  get records(): number {
    return this.#records
  }

  /** Before decompression. */
  get bytes(): number {
    return this.#bytes
  }

  /** Inputs that end within a record, which is left for the next run. */
  get unfinished(): number {
    return this.#unfinished
  }

  /** @param times called if somebody listens */
  add(taken: Taken, times?: () => ReadTimes): void {
    const { records, bytes, unfinished = false } = taken
    this.#records += records
    this.#bytes += bytes
    if (unfinished) this.#unfinished++
    if (this.#events === undefined || !this.isObserved) return
    const chunk = { ...taken, unfinished, ...times?.() }
    const { work } = this.#events
    if (work.isWanted) work.sums.read(taken.partition, chunk)
    this.#events.publish('sluice:source:chunk', chunk)
  }
}
