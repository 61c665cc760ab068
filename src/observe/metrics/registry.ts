import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { LatenessHistogram } from './lateness-histogram.ts'
import { METRICS } from './table.ts'
import type { CounterName, GaugeName, HistogramName } from './table.ts'

export interface Labels {
  readonly [label: string]: string
}

/** The metrics of `METRICS`, and those of Node.js, in a registry of their own. */
export class MetricRegistry {
  readonly lateness: LatenessHistogram
  readonly #registry = new Registry()
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()
  readonly #histograms = new Map<string, Histogram>()

  constructor() {
    const registers = [this.#registry]
    this.lateness = new LatenessHistogram(registers)
    for (const [name, declaration] of Object.entries(METRICS)) {
      const { type, help, labels } = declaration
      const labelNames = 'isOfProcess' in declaration ? [...labels] : ['pipeline', ...labels]
      const options = { name, help, labelNames, registers }
      if (type === 'counter') this.#counters.set(name, new Counter(options))
      else if (type === 'gauge') this.#gauges.set(name, new Gauge(options))
      else if (name !== 'sluice_lateness_seconds') {
        const buckets = 'buckets' in declaration ? [...declaration.buckets] : []
        this.#histograms.set(name, new Histogram({ ...options, buckets }))
      }
    }
    collectDefaultMetrics({ register: this.#registry, prefix: PREFIX })
    for (const name of MISNAMED) this.#registry.removeSingleMetric(`${PREFIX}${name}`)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  add(name: CounterName, labels: Labels, value = 1): void {
    // A counter that was once 0 shows from then on, so that a first increase can be seen.
    this.#counters.get(name)?.inc({ ...labels }, value)
  }

  set(name: GaugeName, labels: Labels, value: number | undefined): void {
    if (value !== undefined) this.#gauges.get(name)?.set({ ...labels }, value)
  }

  observe(name: HistogramName, labels: Labels, value: number): void {
    this.#histograms.get(name)?.observe({ ...labels }, value)
  }

  /** Forgets all values of a metric, which then get new ones. */
  clear(name: CounterName | GaugeName): void {
    this.#counters.get(name)?.reset()
    this.#gauges.get(name)?.reset()
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** Ends what observes the process. */
  close(): void {
    this.#registry.clear()
  }
}

const PREFIX = 'sluice_'

/** Metrics of the library that are gauges with names of counters, or that nobody asks for. */
const MISNAMED = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_heap_size_total_bytes',
  'nodejs_version_info',
]
