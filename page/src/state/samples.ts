import { signal } from '@preact/signals'
import type { Series, StatusSnapshot } from '../../../src/ui/api.ts'
import { sampleOf } from '../../../src/ui/sample.ts'

type Measure = Exclude<keyof Series, 'at' | 'rejects'>

/** A line of a chart: a measure, or the rejects of a code. */
export type Column = Measure | `reject ${string}`

type Values = { readonly [name in Column]?: number | null }

/** The last hour of a pipeline for charts, a sample for each second. */
export class Samples {
  /** Counts up at most once a second, when there is something to draw. */
  readonly version = signal(0)
  /** The columns of rejects by code, in the order in which the codes appeared. */
  readonly rejects = signal<readonly Column[]>([])
  readonly at: number[] = []
  readonly #columns = new Map<Column, (number | null)[]>(MEASURES.map((measure) => [measure, []]))

  column(name: Column): readonly (number | null)[] {
    return this.#columns.get(name) ?? []
  }

  replace(series: Series): void {
    this.at.length = 0
    for (const column of this.#columns.values()) column.length = 0
    const codes = Object.entries(series.rejects)
    for (const [index, at] of series.at.entries())
      this.#append(at, {
        ...Object.fromEntries(MEASURES.map((measure) => [measure, series[measure][index]])),
        ...Object.fromEntries(codes.map(([code, counts]) => [`reject ${code}`, counts[index]])),
      })
    this.version.value++
  }

  add(snapshot: StatusSnapshot): void {
    const { at, rejects, ...values } = sampleOf(snapshot)
    const last = this.at.at(-1)
    if (last !== undefined && Math.floor(last / SECOND) >= Math.floor(at / SECOND)) return
    const byCode = Object.entries(rejects).map(([code, count]) => [`reject ${code}`, count] as const)
    this.#append(at, { ...values, ...Object.fromEntries(byCode) })
    this.version.value++
  }

  #append(at: number, values: Values): void {
    const last = this.at.at(-1)
    // The line has a gap where nothing ran.
    if (last !== undefined && at - last > GAP) this.#push(last + SECOND, {})
    this.#push(at, values)
  }

  #push(at: number, values: Values): void {
    const names = Object.keys(values)
      .filter(isReject)
      .filter((name) => !this.#columns.has(name))
    for (const name of names.slice(0, MOST_CODES - this.rejects.value.length)) {
      this.#columns.set(
        name,
        this.at.map(() => null),
      )
      this.rejects.value = [...this.rejects.value, name]
    }
    this.at.push(at)
    for (const [name, column] of this.#columns) column.push(values[name] ?? null)
    // Not for each one: removing the first of thousands moves the others.
    if (this.at.length < 2 * MOST) return
    this.at.splice(0, MOST)
    for (const column of this.#columns.values()) column.splice(0, MOST)
  }
}

function isReject(name: string): name is Column {
  return name.startsWith('reject ')
}

const MEASURES: readonly Measure[] = [
  'recordsPerSecond',
  'bytesPerSecond',
  'freshnessSeconds',
  'latenessSeconds',
  'waitingBytes',
  'rejected',
]

const MOST_CODES = 10

/** Milliseconds. */
const SECOND = 1000
const GAP = 5 * SECOND
/** Samples: an hour. */
const MOST = 3600
