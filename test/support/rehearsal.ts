import { metricOf } from './exposition.ts'
import type { Scrape } from './exposition.ts'

/**
 * Minutes in which what two scrapes of a real run show continues: counters grow each minute as they
 * grew between the two; what stood still stands still, while its age grows. Without scrapes nothing
 * answers.
 */
export interface Phase {
  readonly minutes: number
  readonly from?: Scrape
  readonly to?: Scrape
}

/** Series of a rules test of promtool: one value for each minute, beginning at 0. */
export interface InputSeries {
  readonly series: string
  readonly values: string
}

/** Stretches scrapes of real runs over virtual time. Only metrics in `wanted` are kept. */
export function rehearse(phases: readonly Phase[], wanted: ReadonlySet<string>): InputSeries[] {
  const columns = new Map<string, (number | undefined)[]>()
  /** Moments of the real runs in virtual time. */
  const moments = new Map<number, number>()
  let start = 0
  for (const { minutes, from, to } of phases) {
    const first = start === 0 ? 0 : 1
    for (const series of to?.values.keys() ?? []) {
      if (!from || !to || !wanted.has(metricOf(series))) continue
      const column = columns.get(series) ?? []
      columns.set(series, column)
      while (column.length < start + first) column.push(undefined)
      const valueAt = continuation(series, { from, to, start, moments, last: column.at(-1) })
      for (let minute = first; minute <= minutes; minute++) column.push(valueAt(minute))
    }
    start += minutes
  }
  return [...columns].map(([series, column]) => ({ series: asScraped(series), values: notate(column) }))
}

/** With the labels that Prometheus adds. */
function asScraped(series: string): string {
  const [metric = '', labels = ''] = series.replace(/\}$/, '').split('{')
  return `${metric}{${[labels, TARGET].filter((text) => text !== '').join(',')}}`
}

const TARGET = 'instance="collector:9464",job="sluice"'

interface Context {
  readonly from: Scrape
  readonly to: Scrape
  /** Minute at which the phase begins. */
  readonly start: number
  readonly moments: Map<number, number>
  /** The value of the minute before. */
  readonly last: number | undefined
}

/** @returns the value of a series after so many minutes of the phase */
function continuation(series: string, { from, to, start, moments, last }: Context): (minute: number) => number {
  const metric = metricOf(series)
  const now = to.values.get(series) ?? 0
  const before = from.values.get(series)
  if (/_(timestamp|start_time)_seconds$/.test(metric)) {
    const age = to.at - now
    if (before !== now) return (minute) => (start + minute) * 60 - age
    const moment = moments.get(now) ?? start * 60 - age
    moments.set(now, moment)
    return () => moment
  }
  if (metric === 'sluice_freshness_seconds') {
    const readUpTo = series.replace(metric, 'sluice_source_read_up_to_timestamp_seconds')
    const isStill = from.values.get(readUpTo) === to.values.get(readUpTo)
    // A partition that is read keeps its distance from the present, or comes nearer.
    const growth = isStill ? 60 : Math.min(0, now - (before ?? now))
    return (minute) => Math.max(0, now + growth * minute)
  }
  if (to.types.get(metric) !== 'counter') return () => now
  const growth = before === undefined || now < before ? now : now - before
  return (minute) => (last ?? before ?? 0) + growth * minute
}

/** The notation of promtool: `_` is no sample, `stale` the end of a series. */
function notate(column: readonly (number | undefined)[]): string {
  const words = column.map((value) => (value === undefined ? '_' : String(Number(value.toFixed(3)))))
  return [...words, 'stale'].join(' ')
}
