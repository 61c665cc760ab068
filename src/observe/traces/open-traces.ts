/** Where `@opentelemetry/api` 1.x keeps what an SDK has registered, whichever copy of it does. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

let tracing: Promise<Tracing> | undefined

interface Tracing {
  flush(): Promise<void>
}

/**
 * Makes spans of all runs of this thread, if the process has loaded an SDK of OpenTelemetry. Otherwise
 * nothing is loaded and nobody subscribes. Call it before a run begins; once is enough.
 */
export async function openTraces(): Promise<void> {
  if (!hasTracer(Reflect.get(globalThis, REGISTERED))) return
  tracing ??= import('./trace-runs.ts').then(({ traceRuns }) => traceRuns())
  await tracing
}

/** Has the SDK send the spans that it keeps. Never rejects: a collector may be away. */
export async function flushTraces(): Promise<void> {
  await (await tracing)?.flush()
}

function hasTracer(registered: unknown): boolean {
  return typeof registered === 'object' && registered !== null && 'trace' in registered
}
