import { setTimeout as sleep } from 'node:timers/promises'
import { asSluiceError } from '../../errors.ts'
import { AnswerError } from './transport/response-error.ts'
import { readHours, wholeHour } from './windows/hourly-counts.ts'
import type { Hours, Span } from './windows/hourly-counts.ts'
import type { Tenant } from './options.ts'
import { readCount } from './pages/paginate.ts'
import { backoff } from './transport/rate-limit.ts'
import type { RequestBuilder } from './transport/request.ts'
import type { RunContext } from './run-context.ts'
import { HOUR } from '../../time.ts'

/** What the reader of the tenant does for its counts. */
interface Reader {
  /** Resolves when the API may be asked. */
  pause(): Promise<void>
  note(message: string, facts: { readonly reason: string }): void
}

/** Asks the API how many records it has. To know it is a help: where the API does not tell, reading goes on. */
export class Counts {
  readonly #session: RunContext
  readonly #tenant: Tenant
  readonly #reader: Reader
  /** Counts per hour are not asked for before; by `performance.now()`. */
  #hoursFrom = 0

  constructor(session: RunContext, tenant: Tenant, reader: Reader) {
    this.#session = session
    this.#tenant = tenant
    this.#reader = reader
  }

  /** Fingerprint of the query that counts per hour; undefined where there is none. */
  get hoursQuery(): string | undefined {
    return this.#session.hours?.fingerprint(this.#tenant.values)
  }

  /** Asks about the moment before a time, where anything is counted: only the Date of the answer matters. */
  async learnTime(end: number): Promise<void> {
    const { counts, hours, clock, limit, pace, client, signal } = this.#session
    const builder = counts ?? hours
    if (builder === undefined) return
    const request = builder.build({ window: { start: end - 1, end }, page: 1, offset: 0, tenant: this.#tenant.values })
    await limit(async () => {
      if (clock.isKnown) return
      await pace.turn(signal)
      await client.ask(request, signal)
    }).catch(() => signal.throwIfAborted())
  }

  /** The number of records in a time; undefined where it is not told. */
  async inWindow(window: Span): Promise<number | undefined> {
    const { options, counts, signal } = this.#session
    if (options.count === undefined || counts === undefined) return undefined
    try {
      return readCount(await this.#ask(counts, window), options.count.value)
    } catch (error) {
      signal.throwIfAborted()
      const { message } = asSluiceError(error, 'SOURCE_FAILED', 'the answer could not be read')
      this.#reader.note('the records of a window could not be counted', { reason: message })
      return undefined
    }
  }

  /** The numbers of the whole hours in a time. Where the API does not tell them it is left alone with it for a while. */
  async inHours({ start, end }: Span): Promise<Hours | undefined> {
    const { options, hours, signal } = this.#session
    if (options.repair === undefined || hours === undefined || wholeHour(start) + HOUR > end) return undefined
    if (performance.now() < this.#hoursFrom) return undefined
    const { attempts, maxDelay } = options.retry
    for (let attempt = 1; ; attempt++) {
      try {
        const { text } = await this.#ask(hours, { start, end })
        return readHours(text, options.repair, { start, end })
      } catch (error) {
        signal.throwIfAborted()
        const ours = asSluiceError(error, 'SOURCE_FAILED', 'the answer could not be read')
        const told = ours instanceof AnswerError ? ours.retryAfter : undefined
        const wait = told ?? backoff(attempt, maxDelay)
        if (!ours.retryable || attempt >= Math.min(attempts, MAX_ASKED) || wait > LONGEST_PAUSE) {
          this.#hoursFrom = performance.now() + Math.max(HOUR, told ?? 0)
          this.#reader.note('the records of each hour could not be counted', { reason: ours.message })
          return undefined
        }
        await sleep(wait, undefined, { signal })
      }
    }
  }

  async #ask(builder: RequestBuilder, window: Span) {
    const { limit, pace, client, signal } = this.#session
    const request = builder.build({ window, page: 1, offset: 0, tenant: this.#tenant.values })
    await this.#reader.pause()
    return limit(async () => {
      await pace.turn(signal)
      return client.ask(request, signal)
    })
  }
}

/** How often counts per hour are asked for, and how long at most is waited in between: records come first. */
const MAX_ASKED = 4
const LONGEST_PAUSE = 60_000
