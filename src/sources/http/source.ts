import { setMaxListeners } from 'node:events'
import pLimit from 'p-limit'
import type { ReadOptions, Source, ConnectionCheck } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { Channel } from './channel.ts'
import { Client } from './client.ts'
import type { HttpOptions, WindowOptions } from './options.ts'
import { Pace } from './transport/rate-limit.ts'
import { createRequestBuilder } from './transport/request.ts'
import type { RunContext } from './run-context.ts'
import { TenantReader } from './tenant-reader.ts'
import { ApiClock } from './windows/api-clock.ts'

/** The source behind `http` and its presets. */
export function createHttpSource(options: HttpOptions): Source {
  return {
    read: (read) => readTenants(options, read, new ApiClock()),
    connect: (signal) => tryTenants(options, signal),
  }
}

async function* readTenants(options: HttpOptions, read: ReadOptions, clock: ApiClock): AsyncGenerator<Chunk, void> {
  const stop = new AbortController()
  const winding = new AbortController()
  // One listener per waiting tenant is no leak.
  setMaxListeners(0, stop.signal, winding.signal)
  const channel = new Channel<Chunk>(options.rate.concurrency)
  const client = new Client(options, clock)
  const end = (): void => {
    stop.abort(read.signal.reason)
    winding.abort()
    channel.close()
    void client.close()
  }
  read.signal.addEventListener('abort', end, { once: true })
  if (read.signal.aborted) end()

  const session: RunContext = {
    options,
    read,
    requests: createRequestBuilder(options.request, options.paginate),
    counts: options.count && createRequestBuilder(options.count.request, undefined),
    hours: options.repair && createRequestBuilder(options.repair.request, undefined),
    client,
    clock,
    pace: new Pace(options.rate.perSecond),
    limit: pLimit(options.rate.concurrency),
    signal: stop.signal,
    winding: winding.signal,
    put: (chunk) => channel.put(chunk),
  }
  const work = runAll(session, winding).then(
    (failure) => channel.close(failure),
    (error: Error) => channel.close(error),
  )
  try {
    yield* channel.read()
  } finally {
    read.signal.removeEventListener('abort', end)
    end()
    await work
    await client.close()
  }
}

/** Reads the beginning of a page of each tenant, of the last day where there are windows, and compares the clocks. */
async function* tryTenants(options: HttpOptions, signal: AbortSignal): AsyncGenerator<ConnectionCheck, void> {
  const clock = new ApiClock()
  const window = options.window && lastDay(options.window)
  for (const tenant of options.tenants) {
    const what = `one page${tenant.name === '' ? '' : ` of ${tenant.name}`}`
    const once = { ...options, window, repair: undefined, tenants: [tenant], retry: { ...options.retry, attempts: 1 } }
    yield await tryTenant(once, signal, clock).then(
      (found): ConnectionCheck => ({ what, found }),
      (error): ConnectionCheck => ({ what, error: asSluiceError(error, 'SOURCE_FAILED', 'the source failed') }),
    )
  }
  const fast = clock.fast()
  if (fast === undefined) return
  const found = `ours is ${Math.abs(fast) / 1000} s ${fast < 0 ? 'slow' : 'fast'}`
  if (Math.abs(fast) < MOST_SKEW) yield { what: 'clocks', found }
  else yield { what: 'clocks', error: new SluiceError('SOURCE_FAILED', `${found}: set it, or signatures are refused`) }
}

function lastDay(window: WindowOptions): WindowOptions {
  const { until: _until, ...rest } = window
  return { ...rest, since: '1d' }
}

/** What APIs that look at the time of a request commonly allow. */
const MOST_SKEW = 300_000

async function tryTenant(options: HttpOptions, signal: AbortSignal, clock: ApiClock): Promise<string> {
  const stop = new AbortController()
  const read = {
    position: () => undefined,
    signal: AbortSignal.any([signal, stop.signal]),
    follow: false,
    maxLine: 1 << 20,
    note: () => {},
  }
  for await (const { bytes = Buffer.alloc(0) } of readTenants(options, read, clock)) {
    stop.abort()
    const records = bytes.toString('latin1').split('\n').length - 1
    return records === 0 ? 'answered, without records' : `answered, beginning with ${records} records`
  }
  return 'there is no time to read yet'
}

/** Runs a reader per tenant. When one fails the others finish what there is to read now; the result is the failure. */
async function runAll(session: RunContext, winding: AbortController): Promise<SluiceError | undefined> {
  const { options, signal, read } = session
  const failures: { tenant: string; error: SluiceError }[] = []
  await Promise.all(
    options.tenants.map(async (tenant) => {
      try {
        await new TenantReader(session, tenant).run()
      } catch (error) {
        if (signal.aborted) return
        const ours = asSluiceError(error, 'SOURCE_FAILED', 'the source failed')
        failures.push({ tenant: tenant.name, error: ours })
        if (options.tenants.length > 1)
          read.note('a tenant failed; the others go on to their end', { tenant: tenant.name })
        winding.abort()
      }
    }),
  )
  const [first] = failures
  if (first === undefined || options.tenants.length === 1) return first?.error
  const { code, retryable } = first.error
  const message = failures.map(({ tenant, error }) => `tenant ${tenant}: ${error.message}`).join('; ')
  return new SluiceError(code, message, { cause: first.error, retryable })
}
