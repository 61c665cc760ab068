/** What a stage has done. */
interface Work {
  readonly records?: number
  readonly bytes?: number
  readonly milliseconds?: number
}

interface Sums {
  records: number
  bytes: number
  milliseconds: number
}

interface Sample {
  readonly at: number
  readonly sums: ReadonlyMap<string, Sums>
}

/** Rates of stages over the last seconds: sums, and what they were at earlier measurements. */
export class Rates {
  readonly #sums = new Map<string, Sums>()
  #samples: Sample[] = []
  #first: Sample | undefined
  #seconds = 0
  #utilization = performance.eventLoopUtilization()
  #busy = 0

  add(name: string, { records = 0, bytes = 0, milliseconds = 0 }: Work): void {
    const sums = this.#sums.get(name) ?? none()
    this.#sums.set(name, sums)
    sums.records += records
    sums.bytes += bytes
    sums.milliseconds += milliseconds
  }

  /**
   * Takes a sample. Rates are those since the first sample of the window, or since the last sample if that
   * is older than the window. After minutes without a sample there are none yet.
   */
  measure(read: { readonly records: number; readonly bytes: number }): {
    seconds: number
    records: number
    bytes: number
  } {
    const at = performance.now()
    this.#sums.set(READ, { ...read, milliseconds: 0 })
    if (at - (this.#samples.at(-1)?.at ?? 0) >= FORGOTTEN) this.#samples = []
    while (this.#samples.length > 1 && at - this.#samples[1].at >= WINDOW) this.#samples.shift()
    this.#first = this.#samples.at(0)
    this.#seconds = this.#first === undefined ? 0 : (at - this.#first.at) / 1000
    const utilization = performance.eventLoopUtilization()
    const last = this.#samples.at(-1)
    if (last === undefined || at - last.at >= SPACING) {
      this.#busy = performance.eventLoopUtilization(utilization, this.#utilization).utilization
      this.#utilization = utilization
      this.#samples.push({ at, sums: new Map([...this.#sums].map(([name, sums]) => [name, { ...sums }])) })
    }
    const { recordsPerSecond, bytesPerSecond } = this.read
    return { seconds: this.#seconds, records: recordsPerSecond, bytes: bytesPerSecond }
  }

  get read(): { recordsPerSecond: number; bytesPerSecond: number } {
    const { recordsPerSecond, bytesPerSecond } = this.of(READ)
    return { recordsPerSecond, bytesPerSecond }
  }

  /** Share of the time in which this thread was at work, between the last two samples. */
  get busy(): number {
    return this.#busy
  }

  /** At the last measurement. */
  of(name: string): { recordsPerSecond: number; bytesPerSecond: number; share: number } {
    const now = this.#sums.get(name) ?? none()
    const before = this.#first?.sums.get(name) ?? none()
    if (this.#seconds <= 0) return { recordsPerSecond: 0, bytesPerSecond: 0, share: 0 }
    return {
      recordsPerSecond: (now.records - before.records) / this.#seconds,
      bytesPerSecond: (now.bytes - before.bytes) / this.#seconds,
      share: Math.min(1, (now.milliseconds - before.milliseconds) / 1000 / this.#seconds),
    }
  }
}

const READ = '(read)'
/** Milliseconds that rates look back. */
const WINDOW = 5_000
/** Milliseconds after which a sample says nothing about now. Status can be asked for each minute. */
const FORGOTTEN = 150_000
/** Milliseconds between two samples, however often somebody asks. */
const SPACING = 200

function none(): Sums {
  return { records: 0, bytes: 0, milliseconds: 0 }
}
