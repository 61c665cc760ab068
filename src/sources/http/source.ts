import { setMaxListeners } from 'node:events'
import pLimit from 'p-limit'
import type { ReadOptions, Renewal, Source, ConnectionCheck } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { AccessKeys } from './access.ts'
import { Channel } from './channel.ts'
import type { HttpOptions, WindowOptions } from './options.ts'
import { Pace } from './transport/rate-limit.ts'
import type { RunContext } from './run-context.ts'
import { TenantReader } from './tenant-reader.ts'
import { ApiClock } from './windows/api-clock.ts'
import { parseMoment } from '../../fields/moment.ts'
import { systemClock } from '../../clock.ts'
import { DAY, MINUTE } from '../../time.ts'
import type { Clock } from '../../clock.ts'
import { formatDuration } from '../../fields/units.ts'
import { anySignal } from '../../signals.ts'
import type { Note } from '../../observe/messages/table.ts'

/** The source of `http` and its presets. `renewal` reads keys in files again. */
export function createHttpSource(options: HttpOptions, renewal?: Renewal<HttpOptions>): Source {
  return {
    read: (read) => readTenants(onlyOf(options, read), { read, renewal }, openClocks(read)),
    connect: (signal) => checkTenants(options, signal),
    total: async () => options.window && { since: parseMoment(options.window.since, Date.now()) },
  }
}

function onlyOf(options: HttpOptions, { tenants }: ReadOptions): HttpOptions {
  return tenants === undefined
    ? options
    : { ...options, tenants: options.tenants.filter(({ name }) => tenants.has(name)) }
}

interface Clocks {
  readonly time: Clock
  /** The API's time, as far as its responses show it. */
  readonly clock: ApiClock
}

function openClocks({ clock: time = systemClock }: Pick<ReadOptions, 'clock'> = {}): Clocks {
  return { time, clock: new ApiClock(time) }
}

interface Reading {
  readonly read: ReadOptions
  readonly renewal?: Renewal<HttpOptions> | undefined
}

async function* readTenants(
  options: HttpOptions,
  { read, renewal }: Reading,
  clocks: Clocks,
): AsyncGenerator<Chunk, void> {
  const stop = new AbortController()
  const draining = new AbortController()
  // Each waiting tenant adds a listener.
  setMaxListeners(0, stop.signal, draining.signal)
  const channel = new Channel<Chunk>(options.rate.concurrency)
  const { exchange, note } = read
  const access = new AccessKeys({ options, renewal, ...clocks, exchange, note })
  const end = (): void => {
    stop.abort(read.signal.reason)
    draining.abort()
    channel.close()
    void access.close()
  }
  read.signal.addEventListener('abort', end, { once: true })
  if (read.signal.aborted) end()

  const run: RunContext = {
    options,
    read,
    access,
    ...clocks,
    pace: new Pace(options.rate.perSecond, clocks.time),
    limit: pLimit(options.rate.concurrency),
    signal: stop.signal,
    draining: draining.signal,
    put: (chunk) => channel.put(chunk),
  }
  const work = runAll(run, draining).then(
    (failure) => channel.close(failure),
    (error: Error) => channel.close(error),
  )
  try {
    yield* channel.read()
  } finally {
    read.signal.removeEventListener('abort', end)
    end()
    await work
    await access.close()
  }
}

/**
 * Reads the start of one page of each tenant, of the latest day that is due if there are time
 * windows, and compares the clocks. Whatever `since`, `until` and the state say, a request is sent.
 */
async function* checkTenants(options: HttpOptions, signal: AbortSignal): AsyncGenerator<ConnectionCheck, void> {
  const clocks = openClocks()
  const window = options.window && latestDay(options.window)
  for (const tenant of options.tenants) {
    const what = `one page${tenant.name === '' ? '' : ` of ${tenant.name}`}`
    const once: HttpOptions = {
      ...options,
      window,
      repair: undefined,
      tenants: [tenant],
      retry: { ...options.retry, attempts: 1 },
      timeout: { ...options.timeout, request: Math.min(options.timeout.request, MAX_WAIT) },
    }
    yield await checkTenant(once, signal, clocks).then(
      (found): ConnectionCheck => ({ what, found }),
      (error): ConnectionCheck => ({ what, error: asSluiceError(error, 'SOURCE_FAILED', 'the source failed') }),
    )
  }
  const skew = clocks.clock.skew()
  if (skew === undefined) return
  const found = `ours is ${Math.abs(skew) / 1000} s ${skew < 0 ? 'slow' : 'fast'}`
  if (Math.abs(skew) < MAX_SKEW) yield { what: 'clocks', found }
  else
    yield { what: 'clocks', error: new SluiceError('SOURCE_FAILED', `${found}: set it, or the API refuses signatures`) }
}

/** A day that the settling delay allows and the API still has, so a window is always due. */
function latestDay({ until: _until, retention = Infinity, ...rest }: WindowOptions): WindowOptions {
  const length = Math.max(1, Math.floor(Math.min(DAY, (retention - rest.lag) / 2)))
  return { ...rest, since: formatDuration(rest.lag + length) }
}

/** A person waits for the check. In milliseconds. */
const MAX_WAIT = MINUTE

/** Common tolerance of APIs that check the time of a request, in milliseconds. */
const MAX_SKEW = 5 * MINUTE

async function checkTenant(options: HttpOptions, signal: AbortSignal, clocks: Clocks): Promise<string> {
  const stop = new AbortController()
  const read = {
    position: () => undefined,
    signal: anySignal(signal, stop.signal),
    follow: false,
    maxLine: 1 << 20,
    note: () => {},
    inputFailed: () => {},
  }
  for await (const { bytes = Buffer.alloc(0) } of readTenants(options, { read }, clocks)) {
    stop.abort()
    const records = bytes.toString('latin1').split('\n').length - 1
    return records === 0 ? 'responds, without records' : `responds, starting with ${records} records`
  }
  return 'no page is due'
}

/**
 * Runs a reader per tenant. If one fails, the others finish what is available now.
 * @returns the failure, if any.
 */
async function runAll(run: RunContext, draining: AbortController): Promise<SluiceError | undefined> {
  const { options, signal, read } = run
  const note: Note = read.note
  const failures: { tenant: string; error: SluiceError }[] = []
  await Promise.all(
    options.tenants.map(async (tenant) => {
      try {
        await new TenantReader(run, tenant).run()
      } catch (error) {
        if (signal.aborted) return
        const cause = asSluiceError(error, 'SOURCE_FAILED', 'the source failed')
        failures.push({ tenant: tenant.name, error: cause })
        if (options.tenants.length > 1) note('source.tenant.failed', { tenant: tenant.name })
        draining.abort()
      }
    }),
  )
  const [first] = failures
  if (first === undefined || options.tenants.length === 1) return first?.error
  const { code, retryable } = first.error
  const message = failures.map(({ tenant, error }) => `tenant ${tenant}: ${error.message}`).join('; ')
  return new SluiceError(code, message, { cause: first.error, retryable })
}
