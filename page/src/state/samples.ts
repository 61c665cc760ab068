import { signal } from '@preact/signals'
import type { Series, StatusSnapshot } from '../../../src/ui/api.ts'
import { sampleOf } from '../../../src/ui/sample.ts'

export type Measure = Exclude<keyof Series, 'at'>

type Values = { readonly [name in Measure]?: number | null }

/** The last hour of a pipeline for charts, a sample for each second. */
export class Samples {
  /** Counts up at most once a second, when there is something to draw. */
  readonly version = signal(0)
  readonly at: number[] = []
  readonly #columns: { readonly [name in Measure]: (number | null)[] } = {
    recordsPerSecond: [],
    bytesPerSecond: [],
    freshnessSeconds: [],
    waitingBytes: [],
    rejected: [],
  }

  column(measure: Measure): readonly (number | null)[] {
    return this.#columns[measure]
  }

  replace(series: Series): void {
    this.at.length = 0
    for (const measure of MEASURES) this.#columns[measure].length = 0
    for (const [index, at] of series.at.entries())
      this.#append(at, Object.fromEntries(MEASURES.map((measure) => [measure, series[measure][index]])))
    this.version.value++
  }

  add(snapshot: StatusSnapshot): void {
    const { at, ...values } = sampleOf(snapshot)
    const last = this.at.at(-1)
    if (last !== undefined && Math.floor(last / SECOND) >= Math.floor(at / SECOND)) return
    this.#append(at, values)
    this.version.value++
  }

  #append(at: number, values: Values): void {
    const last = this.at.at(-1)
    // The line has a gap where nothing ran.
    if (last !== undefined && at - last > GAP) this.#push(last + SECOND, {})
    this.#push(at, values)
  }

  #push(at: number, values: Values): void {
    this.at.push(at)
    for (const measure of MEASURES) this.#columns[measure].push(values[measure] ?? null)
    // Not for each one: removing the first of thousands moves the others.
    if (this.at.length < 2 * MOST) return
    this.at.splice(0, MOST)
    for (const measure of MEASURES) this.#columns[measure].splice(0, MOST)
  }
}

const MEASURES = ['recordsPerSecond', 'bytesPerSecond', 'freshnessSeconds', 'waitingBytes', 'rejected'] as const

/** Milliseconds. */
const SECOND = 1000
const GAP = 5 * SECOND
/** Samples: an hour. */
const MOST = 3600
