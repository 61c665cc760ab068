import type { Chunk } from '../../record/chunk.ts'
import { CountClient } from './count-client.ts'
import type { Tenant } from './options.ts'
import { PageReader } from './page-reader.ts'
import type { PageHandler } from './page-reader.ts'
import type { RunContext } from './run-context.ts'
import { RateLimitPause } from './transport/rate-limit.ts'
import { resumeAt, writeCheckpoint } from './windows/checkpoint.ts'
import type { OpenWindow } from './windows/checkpoint.ts'
import type { MarkedMoment } from './windows/api-clock.ts'
import { iso, parseMoment } from '../../fields/moment.ts'
import { advance } from './windows/planner.ts'
import { startPlanner } from './windows/planner-state.ts'
import type {
  PlannerEffect,
  PlannerEvent,
  PlannerSettings,
  PlannerState,
  PlannerTime,
} from './windows/planner-state.ts'
import { windowChanges } from './windows/window-changes.ts'
import { lowWatermarkOf } from './windows/watermarks.ts'
import type { MessageArguments, Note } from '../../observe/messages/table.ts'

/**
 * Reads one tenant, window by window and page by page. The planner decides what to read next, the
 * page reader fetches it. A chunk carries a position only at the end of a complete page. A page
 * that fails is fetched again from its start, so records can repeat.
 */
export class TenantReader {
  readonly #context: RunContext
  readonly #tenant: Tenant
  readonly #counts: CountClient
  readonly #pages: PageReader
  #settings: PlannerSettings
  #state: PlannerState
  #loggedUnproven = false

  constructor(context: RunContext, tenant: Tenant) {
    const { options, access, read, signal, time } = context
    this.#context = context
    this.#tenant = tenant
    const log: Note = (...message) => this.#log(...message)
    const rateLimit = new RateLimitPause({
      time,
      signal,
      announce: (wait) => read.announce?.({ type: 'wait', partition: tenant.name, reason: 'rate-limit', wait }),
    })
    this.#counts = new CountClient(context, tenant, { pause: () => rateLimit.wait(), log })
    this.#pages = new PageReader(context, tenant, { rateLimit })
    const { until } = options.window ?? {}
    this.#settings = {
      window: options.window,
      count: options.count,
      repair: options.repair,
      until: until === undefined ? Infinity : parseMoment(until, time.now()),
      query: access.latest.requests.fingerprint(tenant.values),
      hoursQuery: this.#counts.hoursQuery,
    }
    this.#state = startPlanner(resumeAt(read.position(tenant.name)))
  }

  /**
   * Ends when there is nothing more to read; with `follow`, when `window.until` is reached.
   * @throws SluiceError if the tenant cannot be read any further.
   */
  async run(): Promise<void> {
    const { read, options, draining, time } = this.#context
    await this.#handle({ type: 'resume' })
    while (true) {
      await this.#catchUp()
      if (!read.follow || draining.aborted || this.#isDone) return
      await time.sleep(options.poll, draining).catch(() => {})
      if (draining.aborted) return
    }
  }

  /** Reads every window that is due; without time windows, one query to its last page. */
  async #catchUp(): Promise<void> {
    const { options, clock } = this.#context
    const reached = clock.mark()
    while (true) {
      if (this.#window === undefined) await this.#openWindow(reached)
      if (this.#window === undefined) return this.#logUnproven()
      const complete = await this.#readWindow(reached)
      if (complete && options.window === undefined) return
    }
  }

  async #openWindow(reached: MarkedMoment): Promise<void> {
    const { clock } = this.#context
    if (!clock.isKnown) await this.#learnTime()
    await this.#handle({ type: 'openWindow', ...this.#time(reached) })
    // The counts may be the first responses that carry the API's time.
    await this.#planAgain(reached)
    if (this.#window === undefined) await this.#handle({ type: 'reconcile', now: clock.now() })
  }

  /**
   * Plans the open window again if it was planned before the API time was known.
   * @returns true if the window has changed.
   */
  async #planAgain(reached: MarkedMoment): Promise<boolean> {
    const { clock, options } = this.#context
    if (!clock.isKnown || this.#state.unsure === undefined) return false
    const before = this.#window
    const { until } = options.window ?? {}
    if (until !== undefined) this.#settings = { ...this.#settings, until: parseMoment(until, clock.reference()) }
    await this.#handle({ type: 'timeLearned', ...this.#time(reached) })
    return this.#window !== before
  }

  #time(reached: MarkedMoment): PlannerTime {
    const { clock } = this.#context
    return { now: clock.now(), reference: clock.reference(), reached: reached.now(), isKnown: clock.isKnown }
  }

  /**
   * If our clock is fast, the first window would end in the API's future. So the API time is
   * learned before that.
   */
  async #learnTime(): Promise<void> {
    const { options, time } = this.#context
    const { window } = options
    if (window === undefined || this.#isDone) return
    await this.#counts.learnTime(this.#state.checkpoint.highWatermark ?? parseMoment(window.since, time.now()))
  }

  /** @returns false if the API refused a request and the window has to restart. */
  async #readWindow(reached: MarkedMoment): Promise<boolean> {
    const handler = this.#handler(reached)
    for (let window = this.#window; window !== undefined; window = this.#window) {
      const { checkpoint } = this.#state
      if (!(await this.#pages.read({ window, checkpoint, reached }, handler))) return false
    }
    return true
  }

  #handler(reached: MarkedMoment): PageHandler {
    return {
      put: (chunk) => this.#put(chunk),
      responded: () => this.#planAgain(reached),
      complete: async (last, { now, records, next }) => {
        await this.#handle({ type: 'pageRead', now, proven: reached.proven(), records, next })
        await this.#put({ ...last, position: writeCheckpoint(this.#state.checkpoint) })
      },
      restarts: async (status) => {
        await this.#handle({ type: 'requestRefused', now: this.#context.clock.now(), status })
        return this.#window === undefined
      },
    }
  }

  /** Logs once that no response shows how far the API's time has come. */
  #logUnproven(): void {
    const { clock, options, read } = this.#context
    if (options.window === undefined || !clock.isMissing || this.#loggedUnproven) return
    this.#loggedUnproven = true
    const hint =
      read.time === undefined
        ? 'set `time` of dedup, so that the time of the newest event shows it'
        : 'the time of the newest event shows it'
    const { highWatermark } = this.#state.checkpoint
    this.#log('source.no-time', {
      after: highWatermark === undefined ? 'since' : iso(highWatermark),
      hint,
    })
  }

  async #handle(event: PlannerEvent): Promise<void> {
    const before = this.#window
    const { state, effects } = advance(this.#state, event, this.#settings)
    this.#state = state
    for (const change of windowChanges(event, before, this.#window))
      this.#context.read.announce?.({ type: 'window', partition: this.#tenant.name, ...change })
    for (const effect of effects) await this.#perform(effect)
  }

  async #perform(effect: PlannerEffect): Promise<void> {
    const { clock } = this.#context
    switch (effect.type) {
      case 'log':
        return this.#log(...effect.message)
      case 'countWindow': {
        const count = await this.#counts.inWindow(effect.range)
        return this.#handle({ type: 'windowCounted', now: clock.now(), count })
      }
      case 'countHours':
        return this.#handle({ type: 'hoursCounted', hours: await this.#counts.inHours(effect.range) })
      case 'compareHours': {
        const hours = await this.#counts.inHours(effect.range)
        return hours && this.#handle({ type: 'hoursCompared', now: clock.now(), hours })
      }
      case 'emitCheckpoint':
        return this.#put({ bytes: Buffer.alloc(0), position: writeCheckpoint(this.#state.checkpoint) })
    }
  }

  get #window(): OpenWindow | undefined {
    return this.#state.checkpoint.open[0]
  }

  /** True once `window.until` is reached. */
  get #isDone(): boolean {
    const { highWatermark } = this.#state.checkpoint
    return highWatermark !== undefined && highWatermark >= this.#settings.until
  }

  async #put(chunk: Chunk): Promise<void> {
    const lowWatermark = lowWatermarkOf(this.#state.checkpoint, this.#settings.window)
    const partition = this.#tenant.name
    await this.#context.put({ partition, ...chunk, ...(lowWatermark === undefined ? {} : { lowWatermark }) })
  }

  #log(...[code, facts]: MessageArguments): void {
    const { name } = this.#tenant
    this.#context.read.note(code, name === '' ? facts : { tenant: name, ...facts })
  }
}
