import { setTimeout as sleep } from 'node:timers/promises'
import { asSluiceError } from '../../errors.ts'
import { ResponseError } from './transport/response-error.ts'
import { ceilHour, parseHourlyCounts } from './windows/hourly-counts.ts'
import type { HourlyCounts, TimeRange } from './windows/hourly-counts.ts'
import type { Tenant } from './options.ts'
import { readCount } from './pages/paginate.ts'
import { waitOf } from './transport/rate-limit.ts'
import type { RequestBuilder } from './transport/request.ts'
import type { RunContext } from './run-context.ts'
import { HOUR, MINUTE } from '../../time.ts'

interface Hooks {
  /** Resolves when the API's rate limit allows a request. */
  pause(): Promise<void>
  log(message: string, details: { readonly reason: string }): void
}

/**
 * Asks the API how many records it has. Counts are optional: if they cannot be had, reading
 * continues without them.
 */
export class CountClient {
  readonly #context: RunContext
  readonly #tenant: Tenant
  readonly #hooks: Hooks
  /** No hourly counts are requested before this time, by `performance.now()`. */
  #retryHoursAt = 0

  constructor(context: RunContext, tenant: Tenant, hooks: Hooks) {
    this.#context = context
    this.#tenant = tenant
    this.#hooks = hooks
  }

  /** Fingerprint of the query for hourly counts; undefined without `repair`. */
  get hoursQuery(): string | undefined {
    return this.#context.hourRequests?.fingerprint(this.#tenant.values)
  }

  /**
   * Learns the API time from the Date header of a count of the millisecond before `end`. No-op
   * without counts.
   */
  async learnTime(end: number): Promise<void> {
    const { countRequests, hourRequests, clock, limit, pace, client, signal } = this.#context
    const builder = countRequests ?? hourRequests
    if (builder === undefined) return
    const request = builder.build({ window: { start: end - 1, end }, page: 1, offset: 0, tenant: this.#tenant.values })
    await limit(async () => {
      if (clock.isKnown) return
      await pace.turn(signal)
      await client.fetchText(request, signal)
    }).catch(() => signal.throwIfAborted())
  }

  /** The number of records in a window; undefined if it is not configured or the request fails. */
  async inWindow(range: TimeRange): Promise<number | undefined> {
    const { options, countRequests, signal } = this.#context
    if (options.count === undefined || countRequests === undefined) return undefined
    try {
      return readCount(await this.#request(countRequests, range), options.count.value)
    } catch (error) {
      signal.throwIfAborted()
      const { message } = asSluiceError(error, 'SOURCE_FAILED', 'the response could not be read')
      this.#hooks.log('could not count the records of a window', { reason: message })
      return undefined
    }
  }

  /**
   * The counts of the whole hours in a range. Undefined if there are none, or if the request fails;
   * then for an hour nothing is requested.
   */
  async inHours({ start, end }: TimeRange): Promise<HourlyCounts | undefined> {
    const { options, hourRequests, signal } = this.#context
    if (options.repair === undefined || hourRequests === undefined || ceilHour(start) + HOUR > end) return undefined
    if (performance.now() < this.#retryHoursAt) return undefined
    const { attempts, maxDelay } = options.retry
    for (let attempt = 1; ; attempt++) {
      try {
        const { text } = await this.#request(hourRequests, { start, end })
        return parseHourlyCounts(text, options.repair, { start, end })
      } catch (error) {
        signal.throwIfAborted()
        const cause = asSluiceError(error, 'SOURCE_FAILED', 'the response could not be read')
        const retryAfter = cause instanceof ResponseError ? cause.retryAfter : undefined
        const wait = waitOf(attempt, retryAfter, maxDelay)
        if (!cause.retryable || attempt >= Math.min(attempts, MAX_ATTEMPTS) || wait > MAX_WAIT) {
          this.#retryHoursAt = performance.now() + Math.max(HOUR, retryAfter ?? 0)
          this.#hooks.log('could not count the records of each hour', { reason: cause.message })
          return undefined
        }
        await sleep(wait, undefined, { signal })
      }
    }
  }

  async #request(builder: RequestBuilder, window: TimeRange) {
    const { limit, pace, client, signal } = this.#context
    const request = builder.build({ window, page: 1, offset: 0, tenant: this.#tenant.values })
    await this.#hooks.pause()
    return limit(async () => {
      await pace.turn(signal)
      return client.fetchText(request, signal)
    })
  }
}

/** Hourly counts get fewer attempts and shorter waits than pages: records come first. */
const MAX_ATTEMPTS = 4
const MAX_WAIT = MINUTE
