import { asSluiceError } from '../../errors.ts'
import { ResponseError } from './transport/response-error.ts'
import { ceilHour, parseHourlyCounts } from './windows/hourly-counts.ts'
import type { HourlyCounts, TimeRange } from './windows/hourly-counts.ts'
import type { Tenant } from './options.ts'
import { readCount } from './pages/paginate.ts'
import { waitOf } from './transport/rate-limit.ts'
import { retryEvent } from './transport/retry-event.ts'
import type { RunContext } from './run-context.ts'
import { HOUR, MINUTE } from '../../time.ts'
import type { Note } from '../../observe/messages/table.ts'

interface Hooks {
  /** Resolves when the API's rate limit allows a request. */
  pause(): Promise<void>
  readonly log: Note
}

/**
 * Asks the API how many records it has. Counts are optional: if they cannot be had, reading
 * continues without them.
 */
export class CountClient {
  readonly #context: RunContext
  readonly #tenant: Tenant
  readonly #hooks: Hooks
  /** No hourly counts are requested before this time, by `Clock.monotonic()`. */
  #retryHoursAt = 0
  /** No counts at all are requested before this time, by `Clock.monotonic()`. */
  #retryAt = 0

  constructor(context: RunContext, tenant: Tenant, hooks: Hooks) {
    this.#context = context
    this.#tenant = tenant
    this.#hooks = hooks
  }

  /** Fingerprint of the query for hourly counts; undefined without `repair`. */
  get hoursQuery(): string | undefined {
    return this.#context.access.latest.hourRequests?.fingerprint(this.#tenant.values)
  }

  /**
   * Learns the API time from the Date header of a count of the millisecond before `end`. No-op
   * without counts.
   */
  async learnTime(end: number): Promise<void> {
    const { options, clock, signal } = this.#context
    const kind = options.count ? 'countRequests' : 'hourRequests'
    if ((options.count ?? options.repair) === undefined || clock.isMissing || this.#isPaused) return
    try {
      await this.#request(kind, { start: end - 1, end }, () => clock.isKnown)
    } catch (error) {
      signal.throwIfAborted()
      if (this.#isPaused || !(clock.isKnown || error instanceof ResponseError))
        this.#log(clock.isKnown ? 'source.counts.window' : 'source.counts.time', error)
    }
  }

  /** The number of records in a window; undefined if it is not configured or the request fails. */
  async inWindow(range: TimeRange): Promise<number | undefined> {
    const { options, signal } = this.#context
    if (options.count === undefined || this.#isPaused) return undefined
    try {
      const response = await this.#request('countRequests', range)
      return response && readCount(response, options.count.value)
    } catch (error) {
      signal.throwIfAborted()
      this.#log('source.counts.window', error)
      return undefined
    }
  }

  /**
   * The counts of the whole hours in a range. Undefined if there are none, or if the request fails;
   * then for an hour nothing is requested.
   */
  async inHours({ start, end }: TimeRange): Promise<HourlyCounts | undefined> {
    const { options, signal, time } = this.#context
    if (options.repair === undefined || ceilHour(start) + HOUR > end) return undefined
    if (this.#isPaused || this.#context.time.monotonic() < this.#retryHoursAt) return undefined
    const { maxDelay } = options.retry
    const attempts = Math.min(options.retry.attempts, MAX_ATTEMPTS)
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#request('hourRequests', { start, end })
        return response && parseHourlyCounts(response.text, options.repair, { start, end })
      } catch (error) {
        signal.throwIfAborted()
        const cause = asSluiceError(error, 'SOURCE_FAILED', 'the response could not be read')
        const retryAfter = cause instanceof ResponseError ? cause.retryAfter : undefined
        const wait = waitOf(attempt, retryAfter, { maxDelay, time })
        if (!cause.retryable || this.#isPaused || attempt >= attempts || wait > MAX_WAIT) {
          this.#retryHoursAt = this.#context.time.monotonic() + Math.max(HOUR, retryAfter ?? 0)
          this.#log('source.counts.hours', cause)
          return undefined
        }
        this.#context.read.announce?.(retryEvent(this.#tenant.name, cause, { attempt, attempts, wait }))
        await time.sleep(wait, signal)
      }
    }
  }

  /**
   * Undefined if it is not needed any more once it is its turn. After a count that took all of its
   * time none is requested for an hour: each one would hold up the records.
   */
  async #request(kind: 'countRequests' | 'hourRequests', window: TimeRange, isNeedless = () => false) {
    const { options, limit, pace, access, signal } = this.#context
    await this.#hooks.pause()
    return limit(async () => {
      if (isNeedless()) return undefined
      await pace.turn(signal)
      const start = this.#context.time.monotonic()
      try {
        return await access.use(async ({ client, ...builders }) => {
          const request = builders[kind]?.build({ window, page: 1, offset: 0, tenant: this.#tenant.values })
          return request && client.fetchCount(request, signal)
        })
      } catch (error) {
        const { request: whole, headers } = options.timeout
        if (this.#context.time.monotonic() - start > 0.9 * Math.min(whole, headers, MINUTE))
          this.#retryAt = this.#context.time.monotonic() + HOUR
        throw error
      }
    })
  }

  get #isPaused(): boolean {
    return this.#context.time.monotonic() < this.#retryAt
  }

  #log(code: 'source.counts.window' | 'source.counts.time' | 'source.counts.hours', error: unknown): void {
    const { message: reason } = asSluiceError(error, 'SOURCE_FAILED', 'the response could not be read')
    this.#hooks.log(code, { reason, nextTryIn: this.#isPaused ? '1h' : undefined })
  }
}

/** Hourly counts get fewer attempts and shorter waits than pages: records come first. */
const MAX_ATTEMPTS = 4
const MAX_WAIT = MINUTE
