import { subscribe } from '../bus/subscribe.ts'
import type { EventName, Events } from '../bus/events.ts'
import { PipelineMetrics, REFRESHED } from './pipeline-metrics.ts'
import { MetricRegistry } from './registry.ts'

interface MetricsOptions {
  /** Source partitions of a pipeline that have time series of their own. */
  readonly partitions: number
  readonly version: string
}

/** The metrics of all pipelines of this process. */
export interface Metrics {
  /** Undefined before the first text: the type of `text`. */
  readonly contentType: string
  /** In the text format of Prometheus. */
  text(): Promise<string>
  close(): void
}

/** Subscribes to the bus, and keeps metrics until `close`. */
export function openMetrics({ partitions, version }: MetricsOptions): Metrics {
  const registry = new MetricRegistry()
  registry.set('sluice_build_info', { version, node: process.version }, 1)
  const pipelines = new Map<string, PipelineMetrics>()
  const metricsOf = (pipeline: string): PipelineMetrics => {
    const known = pipelines.get(pipeline)
    if (known) return known
    const made = new PipelineMetrics(registry, { pipeline, partitions })
    pipelines.set(pipeline, made)
    return made
  }
  const on = <Name extends EventName>(name: Name, take: (metrics: PipelineMetrics, message: Events[Name]) => void) =>
    subscribe(name, (message) => take(metricsOf(message.pipeline), message))
  const stops = [
    on('sluice:run:start', (metrics) => metrics.started()),
    on('sluice:run:end', (metrics) => metrics.ended()),
    on('sluice:state:open', (metrics, message) => metrics.stateOpened(message)),
    on('sluice:source:request', (metrics, message) => metrics.requestSent(message)),
    on('sluice:source:retry', (metrics, message) => metrics.requestFailed(message)),
    on('sluice:source:wait', (metrics, message) => metrics.waited(message)),
    on('sluice:store:request', (metrics, message) => metrics.storeAnswered(message)),
    on('sluice:epoch:commit', (metrics, message) => metrics.committed(message)),
    on('sluice:object:publish', (metrics, message) => metrics.published(message)),
    on('sluice:object:retry', (metrics, message) => metrics.publishFailed(message)),
    on('sluice:run:work', (metrics, message) => metrics.worked(message)),
    on('sluice:shard:work', (metrics, message) => metrics.worked(message)),
  ]
  return {
    contentType: registry.contentType,
    text() {
      for (const name of REFRESHED) registry.clear(name)
      for (const metrics of pipelines.values()) metrics.refresh()
      return registry.text()
    },
    close() {
      for (const stop of stops) stop()
      registry.close()
    },
  }
}
