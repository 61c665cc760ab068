import { Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import { DELAYS, METRICS } from './table.ts'

/** Counts of late records by delay, as in `Report.late`. */
interface LateCounts {
  readonly [delay: string]: number
}

const NAME = 'sluice_lateness_seconds'

/**
 * A histogram that is made of counts: those of the state. The one of the library takes observations one
 * by one, and there may be millions.
 */
export class LatenessHistogram extends Histogram {
  /** By pipeline. */
  readonly #counts = new Map<string, LateCounts>()

  constructor(registers: Registry[]) {
    const { help, buckets } = METRICS[NAME]
    super({ name: NAME, help, labelNames: ['pipeline'], buckets: [...buckets], registers })
  }

  setCounts(pipeline: string, counts: LateCounts): void {
    this.#counts.set(pipeline, counts)
  }

  /** Called by the registry when it writes the text. */
  getForPromString() {
    const values = [...this.#counts].flatMap(([pipeline, counts]) => valuesOf(pipeline, counts))
    return Promise.resolve({ name: NAME, help: METRICS[NAME].help, type: 'histogram', aggregator: 'sum', values })
  }
}

function valuesOf(pipeline: string, counts: LateCounts) {
  let [below, sum, last] = [0, 0, 0]
  const buckets = Object.entries(DELAYS).map(([delay, bound]) => {
    const count = counts[delay] ?? 0
    last = bound === Infinity ? last : bound
    below += count
    sum += count * last
    return {
      metricName: `${NAME}_bucket`,
      labels: { pipeline, le: bound === Infinity ? '+Inf' : bound },
      value: below,
      ...SHARED,
    }
  })
  return [
    ...buckets,
    { metricName: `${NAME}_sum`, labels: { pipeline }, value: sum, ...SHARED },
    { metricName: `${NAME}_count`, labels: { pipeline }, value: below, ...SHARED },
  ]
}

const SHARED = { sharedLabels: {} }
