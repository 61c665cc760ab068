import { subscribe } from '../bus/subscribe.ts'
import type { EventName, Events } from '../bus/events.ts'
import type { Reach } from './endpoint.ts'
import { PipelineHealth } from './pipeline-health.ts'
import type { PipelineReadiness } from './pipeline-health.ts'

interface HealthOptions {
  /** Milliseconds that the committed event time may be in the past. */
  readonly maxLag: number | undefined
  readonly reach: Reach
}

interface Readiness {
  readonly ready: boolean
  readonly pipelines: { readonly [pipeline: string]: PipelineReadiness }
}

/** The readiness of all pipelines of this process. */
export interface Health {
  readiness(): Readiness
  close(): void
}

/**
 * Subscribes to the bus, and knows from then on who is ready. While somebody asks, hosts that no request
 * has gone to lately are looked at every two seconds.
 */
export function openHealth({ maxLag, reach }: HealthOptions): Health {
  const pipelines = new Map<string, PipelineHealth>()
  let askedAt = -Infinity
  const healthOf = (pipeline: string): PipelineHealth => {
    const health = pipelines.get(pipeline) ?? new PipelineHealth(maxLag)
    pipelines.set(pipeline, health)
    return health
  }
  const on = <Name extends EventName>(name: Name, take: (health: PipelineHealth, message: Events[Name]) => void) =>
    subscribe(name, (message) => take(healthOf(message.pipeline), message))
  const stops = [
    on('sluice:run:start', (health, message) => health.started(message)),
    on('sluice:run:end', (health, message) => health.ended(message)),
    on('sluice:state:open', (health, message) => health.opened(message)),
    on('sluice:source:open', (health) => health.opened()),
    on('sluice:source:request', (health, message) => health.sourceAnswered(message)),
    on('sluice:store:request', (health, message) => health.storeAnswered(message)),
    on('sluice:epoch:commit', (health, message) => health.committed(message)),
    on('sluice:shard:plan', (health) => health.divided()),
    on('sluice:outbox:full', (health, { sink }) => health.outboxChanged(sink, true)),
    on('sluice:outbox:free', (health, { sink }) => health.outboxChanged(sink, false)),
  ]
  const probe = (): void => {
    if (performance.now() - askedAt > INTEREST) return
    for (const health of pipelines.values()) void health.probe(reach)
  }
  const timer = setInterval(probe, INTERVAL).unref()
  return {
    readiness() {
      askedAt = performance.now()
      const all = [...pipelines].map(([name, health]) => [name, health.readiness()] as const)
      return { ready: all.length > 0 && all.every(([, { ready }]) => ready), pipelines: Object.fromEntries(all) }
    },
    close() {
      clearInterval(timer)
      for (const stop of stops) stop()
    },
  }
}

/** Milliseconds between two looks at hosts. With the limit of a look, a change shows within 5 seconds. */
const INTERVAL = 2000
/** Milliseconds for which a question is worth looking; a prober asks again within them. */
const INTEREST = 60_000
