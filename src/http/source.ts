import { setMaxListeners } from 'node:events'
import pLimit from 'p-limit'
import type { Piece, ReadOptions, Source } from '../component.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { Channel } from './channel.ts'
import { Client } from './client.ts'
import type { HttpOptions } from './options.ts'
import { Pace } from './pace.ts'
import { createRequestBuilder } from './request.ts'
import { TenantReader } from './tenant-reader.ts'
import type { Session } from './tenant-reader.ts'
import { ApiClock } from './window.ts'

/** The source behind `http` and its presets. */
export function createHttpSource(options: HttpOptions): Source {
  return { read: (read) => readTenants(options, read) }
}

async function* readTenants(options: HttpOptions, read: ReadOptions): AsyncGenerator<Piece, void> {
  const stop = new AbortController()
  const winding = new AbortController()
  // One listener per waiting tenant is no leak.
  setMaxListeners(0, stop.signal, winding.signal)
  const channel = new Channel<Piece>(options.rate.concurrency)
  const clock = new ApiClock()
  const client = new Client(options, clock)
  const end = (): void => {
    stop.abort(read.signal.reason)
    winding.abort()
    channel.close()
    void client.close()
  }
  read.signal.addEventListener('abort', end, { once: true })
  if (read.signal.aborted) end()

  const session: Session = {
    options,
    read,
    requests: createRequestBuilder(options.request, options.paginate),
    counts: options.count && createRequestBuilder(options.count.request, undefined),
    client,
    clock,
    pace: new Pace(options.rate.perSecond),
    limit: pLimit(options.rate.concurrency),
    signal: stop.signal,
    winding: winding.signal,
    put: (piece) => channel.put(piece),
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

/** Runs a reader per tenant. When one fails the others finish what there is to read now; the result is the failure. */
async function runAll(session: Session, winding: AbortController): Promise<SluiceError | undefined> {
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
