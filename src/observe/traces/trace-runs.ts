import { context, trace } from '@opentelemetry/api'
import { readVersion } from '../../package.ts'
import type { EventName, Events } from '../bus/events.ts'
import { subscribe } from '../bus/subscribe.ts'
import { RunTrace } from './run-trace.ts'

/**
 * Subscribes to the bus, and makes the spans run > window > page and run > epoch > publish. What a
 * span is called and has is in docs/traces.md.
 */
export function traceRuns(): { flush(): Promise<void> } {
  const tracer = trace.getTracer('sluice', readVersion())
  const runs = new Map<string, RunTrace>()
  const on = <Name extends EventName>(name: Name, take: (run: RunTrace, message: Events[Name]) => void): void => {
    subscribe(name, (message) => {
      const run = runs.get(message.run)
      if (run !== undefined) take(run, message)
    })
  }
  // A run that a program begins within a span of its own belongs to that.
  subscribe('sluice:run:start', (message) => {
    runs.set(message.run, new RunTrace(tracer, { start: message, parent: context.active() }))
  })
  on('sluice:source:window', (run, message) => run.window(message))
  on('sluice:source:page', (run, message) => run.page(message))
  on('sluice:source:retry', (run, message) => run.retry(message))
  on('sluice:epoch:open', (run, message) => run.epochOpen(message))
  on('sluice:epoch:commit', (run, message) => run.epochCommit(message))
  on('sluice:object:retry', (run, message) => run.publishRetry(message))
  on('sluice:object:publish', (run, message) => run.publish(message))
  on('sluice:run:end', (run, message) => {
    runs.delete(message.run)
    run.end(message)
  })
  return { flush: () => flush(trace.getTracerProvider()) }
}

/** The API has no way to flush. Providers of SDKs have, and the API hands them out within a proxy. */
async function flush(provider: object): Promise<void> {
  const own: unknown = call(provider, 'getDelegate') ?? provider
  if (typeof own !== 'object' || own === null) return
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, FLUSH_TIMEOUT)))
  try {
    await Promise.race([call(own, 'forceFlush'), limit])
  } catch {
    // The SDK reports its own errors.
  } finally {
    clearTimeout(timer)
  }
}

/** Milliseconds. */
const FLUSH_TIMEOUT = 5000

function call(target: object, name: string): unknown {
  const method: unknown = Reflect.get(target, name)
  return typeof method === 'function' ? Reflect.apply(method, target, []) : undefined
}
