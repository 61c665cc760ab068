import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chunk } from '../../record/chunk.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { AnswerError } from './transport/response-error.ts'
import { Counts } from './count-client.ts'
import { Deadline } from './transport/deadline.ts'
import { changedHours, learn, wholeHour } from './windows/hourly-counts.ts'
import type { ChangedHour, KnownHours } from './windows/hourly-counts.ts'
import type { Tenant } from './options.ts'
import { backoff, parseRateLimit } from './transport/rate-limit.ts'
import { openPage } from './pages/page.ts'
import { nextPage } from './pages/paginate.ts'
import type { NextPage } from './pages/paginate.ts'
import type { PreparedRequest } from './transport/request.ts'
import type { RunContext } from './run-context.ts'
import {
  EDGE_MARGIN,
  iso,
  parseMoment,
  planWindow,
  readCheckpoint,
  WIDE_EDGE_MARGIN,
  writeCheckpoint,
} from './windows/plan-window.ts'
import type { Checkpoint, OpenWindow } from './windows/plan-window.ts'
import { HOUR } from '../../time.ts'

/**
 * Reads one tenant: window after window, page after page. A position is given only behind a complete page; a page that fails is fetched
 * again from its start, so records may come more than once.
 */
export class TenantReader {
  readonly #session: RunContext
  readonly #tenant: Tenant
  readonly #counts: Counts
  readonly #query: string
  readonly #until: number
  #checkpoint: Checkpoint
  #margin = EDGE_MARGIN
  #restarts = 0
  /** By `performance.now()`. */
  #pauseUntil = 0
  /** Digests of the cursors that the open window has sent. */
  readonly #sent = new Set<string>()
  /** What the repair that is under way has still to read. */
  #changed: readonly ChangedHour[] | undefined

  constructor(session: RunContext, tenant: Tenant) {
    this.#session = session
    this.#tenant = tenant
    this.#counts = new Counts(session, tenant, {
      pause: () => this.#pause(),
      note: (message, facts) => this.#note(message, facts),
    })
    this.#query = session.requests.fingerprint(tenant.values)
    const { until } = session.options.window ?? {}
    this.#until = until === undefined ? Infinity : parseMoment(until, Date.now())
    this.#checkpoint = this.#recall()
  }

  /** Ends when there is no more to read; when following, only if `until` is reached. @throws SluiceError when the tenant cannot be read on. */
  async run(): Promise<void> {
    const { read, options, winding } = this.#session
    while (true) {
      await this.#catchUp()
      if (!read.follow || winding.aborted || this.#isOver()) return
      await sleep(options.poll, undefined, { signal: winding }).catch(() => {})
      if (winding.aborted) return
    }
  }

  /** The committed checkpoint. A cursor of another query is worth nothing: its window is read again from its start. */
  #recall(): Checkpoint {
    const checkpoint = this.#withOwnHours(readCheckpoint(this.#session.read.position(this.#tenant.name)))
    if (checkpoint.open.every((window) => window.query === this.#query)) return checkpoint
    this.#note('the query has changed: the window that was open is read again')
    return { ...checkpoint, open: [] }
  }

  /** Counts of another query say nothing of this one. */
  #withOwnHours(checkpoint: Checkpoint): Checkpoint {
    const { known, open } = checkpoint
    if (known?.query === this.#counts.hoursQuery) return checkpoint
    const bare = open.map((window) => ({ ...window, hours: undefined }))
    return { ...checkpoint, repaired: undefined, known: undefined, open: bare }
  }

  async #catchUp(): Promise<void> {
    const { options, clock } = this.#session
    const reached = clock.mark()
    if (options.window === undefined) {
      while (!(await this.#readOpen(reached, { query: this.#query, pages: 0, records: 0 })));
      return
    }
    while (true) {
      const isOpen = this.#checkpoint.open.length > 0
      const planned = isOpen ? undefined : ((await this.#openNext(reached)) ?? (await this.#openRepair()))
      if (planned === undefined && !isOpen) return
      await this.#readOpen(reached, planned)
    }
  }

  /** True when a bounded time window has been read to its end. */
  #isOver(): boolean {
    const { highWatermark } = this.#checkpoint
    return highWatermark !== undefined && highWatermark >= this.#until
  }

  /**
   * The first answer of all tells what time it is for the API. Where our clock is fast, what is asked for would end in the future: so the
   * first question is about a moment that has been read. Only the Date of its answer matters.
   */
  async #learnTime(): Promise<void> {
    const { window } = this.#session.options
    if (window === undefined || this.#isOver()) return
    await this.#counts.learnTime(this.#checkpoint.highWatermark ?? parseMoment(window.since, Date.now()))
  }

  async #openNext(reached: () => number): Promise<OpenWindow | undefined> {
    if (!this.#session.clock.isKnown) await this.#learnTime()
    const planned = this.#plan(reached)
    const counted = planned && (await this.#withCounts(planned))
    // Where only this answer has told the time, the window may end in the future.
    if (counted?.end === undefined || counted.end <= this.#session.clock.now()) return counted
    const again = this.#plan(reached)
    return again && this.#withCounts(again)
  }

  #plan(reached: () => number): OpenWindow | undefined {
    const { options, clock } = this.#session
    const { window } = options
    if (window === undefined) return undefined
    const target = Math.min(this.#until, reached() - window.lag)
    const { highWatermark, swept, known } = this.#checkpoint
    const plan = planWindow(window, { highWatermark, swept, now: clock.now(), target, margin: this.#margin })
    if (plan === undefined) return undefined
    const { start, end, sweep, gap } = plan
    if (gap !== undefined) {
      const facts = { from: iso(gap.from), to: iso(gap.to) }
      this.#note('records older than the retention of the API cannot be read: a gap', facts)
    }
    this.#checkpoint = {
      ...this.#checkpoint,
      highWatermark: plan.highWatermark,
      known: known ?? this.#noHours(start),
      open: [],
    }
    return { start, end, query: this.#query, pages: 0, records: 0, sweep }
  }

  #noHours(start: number): KnownHours | undefined {
    const query = this.#counts.hoursQuery
    return query === undefined ? undefined : { query, first: wholeHour(start), counts: [] }
  }

  /**
   * Once a day, when there is nothing newer to read: the next hour in which the API counts another number of records than when the hour was last
   * read, as a window. Undefined when there is none. A repair that was cut off compares again: what it has read is known by then.
   */
  async #openRepair(): Promise<OpenWindow | undefined> {
    const { clock } = this.#session
    const { repaired, known } = this.#checkpoint
    if (repaired === undefined || known === undefined) return undefined
    if (this.#changed === undefined) {
      if (clock.now() - repaired < REPAIR_EVERY) return undefined
      this.#changed = await this.#compare(known)
      if (this.#changed === undefined) return undefined
    }
    const edge = this.#edge
    const next = this.#changed.find(({ hour }) => hour >= edge)
    if (next !== undefined) {
      const { hour, count } = next
      const hours = { first: hour, counts: [count] }
      return { start: hour, end: hour + HOUR, query: this.#query, pages: 0, records: 0, counted: count, hours }
    }
    this.#changed = undefined
    this.#checkpoint = { ...this.#checkpoint, repaired: clock.now() }
    await this.#put({ bytes: Buffer.alloc(0), position: writeCheckpoint(this.#checkpoint) })
    return undefined
  }

  async #compare(known: KnownHours): Promise<readonly ChangedHour[] | undefined> {
    const end = known.first + known.counts.length * HOUR
    const compared = await this.#counts.inHours({ start: Math.max(known.first, this.#edge), end })
    if (compared === undefined) return undefined
    const changed = changedHours(known, compared)
    if (changed.length > 0) {
      const facts = { hours: changed.length, from: iso(changed[0].hour) }
      this.#note('the API counts other numbers of records in hours that were read: these are read again', facts)
    }
    return changed
  }

  /** Nothing older is asked for. */
  get #edge(): number {
    const { retention = Infinity } = this.#session.options.window ?? {}
    return this.#session.clock.now() - retention + this.#margin
  }

  /** Reads the open window, or else this new one, to its end. False when it must be begun again. */
  async #readOpen(reached: () => number, planned: OpenWindow | undefined): Promise<boolean> {
    if (this.#checkpoint.open.length === 0 && planned !== undefined)
      this.#checkpoint = { ...this.#checkpoint, open: [planned] }
    this.#sent.clear()
    while (true) {
      const [window] = this.#checkpoint.open
      if (window === undefined) return true
      if (await this.#isPageRead(window, reached)) continue
      this.#checkpoint = { ...this.#checkpoint, open: [] }
      return false
    }
  }

  /** Where the API has said that nothing is left of a tenant's rate, it is not asked before there is. */
  async #pause(): Promise<void> {
    const wait = this.#pauseUntil - performance.now()
    if (wait <= 0) return
    this.#note('the rate limit of the API is reached', { waitMs: Math.ceil(wait) })
    await sleep(wait, undefined, { signal: this.#session.signal })
  }

  /** Reads a page, in as many attempts as it may take; false when the window must be begun again. */
  async #isPageRead(window: OpenWindow, reached: () => number): Promise<boolean> {
    const { limit, signal } = this.#session
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#pause()
        await limit(() => this.#readPage(window, reached))
        return true
      } catch (error) {
        signal.throwIfAborted()
        if (this.#mustRestart(error, window)) return false
        const wait = this.#waitBefore(attempt, error, window)
        await sleep(wait, undefined, { signal })
      }
    }
  }

  async #readPage(window: OpenWindow, reached: () => number): Promise<void> {
    const { options, read, requests, client, clock, pace, signal } = this.#session
    signal.throwIfAborted()
    const { start, end, cursor, pages, records } = window
    const request = requests.build({
      window: start === undefined || end === undefined ? undefined : { start, end },
      cursor,
      page: (options.paginate?.start ?? 1) + pages,
      offset: records,
      tenant: this.#tenant.values,
    })
    await pace.turn(signal)
    const deadline = new Deadline(options.timeout.request, signal)
    try {
      const answer = await client.send(request, deadline, signal)
      this.#pauseUntil = performance.now() + Math.min(LONGEST_WAIT, parseRateLimit(answer.headers) ?? 0)
      const asOf = window.asOf ?? Math.max(clock.now(), reached()) - this.#lag
      const page = openPage(answer, { options, maxLine: read.maxLine, deadline })
      // The last chunk waits for the end of the page: only then its position is true.
      const { highWatermark } = this.#checkpoint
      const reread = highWatermark === undefined || start === undefined || start >= highWatermark
      const late = reread ? {} : { reread: { before: highWatermark, at: asOf + this.#lag } }
      let held: Chunk = { bytes: Buffer.alloc(0) }
      let wireBytes = 0
      for await (const { bytes, line, skipped } of page.runs) {
        if (bytes.length === 0 && skipped.length === 0) continue
        if (held.origin !== undefined) await this.#put(held)
        const origin = { name: this.#nameOf(request, window), line }
        held = { bytes, skipped, origin, ...late, sourceBytes: page.wireBytes() - wireBytes }
        wireBytes = page.wireBytes()
      }
      const { count, captured } = page.cutter
      const next = nextPage(options.paginate, {
        url: request.url,
        headers: answer.headers,
        keyParameter: options.auth?.query,
        captured,
        count,
      })
      this.#guard(window, next)
      this.#advance(
        { ...window, asOf: start === undefined ? undefined : asOf, pages: pages + 1, records: records + count },
        next,
      )
      await this.#put({ ...held, position: writeCheckpoint(this.#checkpoint) })
    } finally {
      deadline.close()
    }
  }

  async #put(chunk: Chunk): Promise<void> {
    const { highWatermark, known } = this.#checkpoint
    const { window } = this.#session.options
    const back = window === undefined ? 0 : Math.max(window.overlap, window.sweep ?? 0)
    const bare = window === undefined || highWatermark === undefined
    const lowWatermark = bare ? {} : { lowWatermark: Math.min(highWatermark - back, known?.first ?? Infinity) }
    await this.#session.put({ partition: this.#tenant.name, ...chunk, ...lowWatermark })
  }

  /** The window with the numbers of records that the API has in it. */
  async #withCounts(window: OpenWindow): Promise<OpenWindow> {
    const { repair } = this.#session.options
    const { start, end } = window
    if (start === undefined || end === undefined) return window
    const counted = { ...window, counted: await this.#counts.inWindow({ start, end }) }
    if (repair === undefined) return counted
    // Where our clock is fast this window is planned again.
    const until = Math.min(end, this.#session.clock.now())
    return {
      ...counted,
      hours: await this.#counts.inHours({ start: Math.max(start, until - repair.back), end: until }),
    }
  }

  /** @throws SluiceError when the window would never end. */
  #guard({ cursor, pages }: OpenWindow, next: NextPage): void {
    if (next === undefined) return
    const { maxPages = Infinity } = this.#session.options.paginate ?? {}
    if (pages + 1 >= maxPages)
      throw new SluiceError(
        'SOURCE_FAILED',
        `more than ${maxPages} pages (paginate.maxPages): ask for less at once with window.step, or raise it`,
      )
    if (next.cursor === undefined) return
    if (cursor !== undefined) this.#sent.add(digest(cursor))
    if (this.#sent.has(digest(next.cursor)))
      throw new SluiceError(
        'SOURCE_FAILED',
        'the cursor of the next page has been there before: the window would never end',
      )
  }

  #advance(window: OpenWindow, next: NextPage): void {
    const { highWatermark } = this.#checkpoint
    if (next !== undefined) {
      this.#checkpoint = { ...this.#checkpoint, open: [{ ...window, cursor: next.cursor }] }
      return
    }
    if (this.#isShort(window)) {
      const { start, end, query, sweep, counted, hours } = window
      const again = { start, end, query, sweep, counted, hours, again: true, pages: 0, records: 0 }
      this.#checkpoint = { ...this.#checkpoint, open: [again] }
      this.#sent.clear()
      return
    }
    const { start, end, asOf = Infinity } = window
    this.#changed = this.#changed?.filter(({ hour }) => hour !== start || hour + HOUR !== end)
    const moved = end === undefined ? undefined : Math.max(highWatermark ?? -Infinity, Math.min(end, asOf))
    const swept = window.sweep === true ? asOf + this.#lag : this.#checkpoint.swept
    this.#checkpoint = { highWatermark: moved, swept, ...this.#learn(window, moved), open: [] }
    this.#margin = EDGE_MARGIN
    this.#restarts = 0
  }

  /** What is known of hours when a window has been read. */
  #learn({ asOf, hours }: OpenWindow, highWatermark: number | undefined): Pick<Checkpoint, 'repaired' | 'known'> {
    const { repair } = this.#session.options
    const { known, repaired } = this.#checkpoint
    if (repair === undefined || known === undefined || highWatermark === undefined) return {}
    return {
      repaired: repaired ?? (asOf ?? highWatermark) + this.#lag,
      known: learn(known, hours, { start: highWatermark - repair.back, end: highWatermark }),
    }
  }

  /** Compares a window that has been read with its count. True when it is to be read once more. */
  #isShort({ start = 0, end = 0, counted = 0, records, again }: OpenWindow): boolean {
    if (records >= counted) return false
    const facts = { from: iso(start), to: iso(end), counted, read: records }
    if (again === true) this.#note('a window has fewer records than the API counted: some may be missing', facts)
    else this.#note('a window has fewer records than the API counted: it is read once more', facts)
    return again !== true
  }

  get #lag(): number {
    return this.#session.options.window?.lag ?? 0
  }

  /** A cursor that is refused, or a start that has slipped over the edge of retention: the window can be begun again. */
  #mustRestart(error: unknown, window: OpenWindow): boolean {
    if (!(error instanceof AnswerError) || !REFUSES_CURSOR.has(error.status)) return false
    if (window.cursor !== undefined) {
      if (this.#restarts >= MAX_RESTARTS) return false
      this.#restarts++
      this.#note('the cursor was refused: the window is read again from its start', { status: error.status })
      return true
    }
    const { options, clock } = this.#session
    const { retention } = options.window ?? {}
    if (error.status !== 400 || retention === undefined || window.start === undefined) return false
    if (this.#margin === WIDE_EDGE_MARGIN || window.start > clock.now() - retention + WIDE_EDGE_MARGIN) return false
    this.#margin = WIDE_EDGE_MARGIN
    return true
  }

  /** How long to wait before the next attempt, in milliseconds. @throws SluiceError when there is none. */
  #waitBefore(attempt: number, error: unknown, window: OpenWindow): number {
    const { retry } = this.#session.options
    const ours = asSluiceError(error, 'SOURCE_FAILED', 'the response could not be read')
    const told = ours instanceof AnswerError ? ours.retryAfter : undefined
    if (!ours.retryable || attempt >= retry.attempts) throw inContext(ours, window, attempt)
    if (told !== undefined && told > LONGEST_WAIT)
      throw inContext(ours, window, attempt, `, and asks to wait ${told / 1000} s`)
    const wait = told ?? backoff(attempt, retry.maxDelay)
    this.#note('request failed, trying again', {
      reason: ours.message,
      attempt,
      attempts: retry.attempts,
      waitMs: wait,
    })
    return wait
  }

  #nameOf({ method, url }: PreparedRequest, { start, end, pages }: OpenWindow): string {
    const times = start === undefined || end === undefined ? '' : ` ${iso(start)}/${iso(end)}`
    return `${method} ${url.pathname}${times} page ${pages + 1}`
  }

  #note(message: string, facts: { readonly [name: string]: string | number } = {}): void {
    const { name } = this.#tenant
    this.#session.read.note(message, name === '' ? facts : { tenant: name, ...facts })
  }
}

/** Bad Request and Gone: what APIs answer to a cursor that they no longer know. */
const REFUSES_CURSOR: ReadonlySet<number> = new Set([400, 410])
/** How long after a repair the next one is. */
const REPAIR_EVERY = 24 * HOUR
/** How often a window is begun again before it fails. */
const MAX_RESTARTS = 3
/** A Retry-After beyond an hour is not waited for: the state is kept, and the next run goes on. */
const LONGEST_WAIT = HOUR

function digest(cursor: string): string {
  return createHash('sha256').update(cursor).digest('base64url').slice(0, 22)
}

function inContext(error: SluiceError, { start, end, pages }: OpenWindow, attempts: number, more = ''): SluiceError {
  const window = start === undefined || end === undefined ? '' : `window ${iso(start)} to ${iso(end)}, `
  const tries = attempts > 1 ? `, after ${attempts} attempts` : ''
  const { code, message, retryable } = error
  return new SluiceError(code, `${window}page ${pages + 1}: ${message}${more}${tries}`, { cause: error, retryable })
}
