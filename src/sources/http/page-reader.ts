import type { Chunk } from '../../record/chunk.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { KeyWait } from './key-wait.ts'
import type { Tenant } from './options.ts'
import type { Access } from './access.ts'
import { CursorGuard } from './pages/cursor-guard.ts'
import { openPage } from './pages/page.ts'
import { nextPage } from './pages/paginate.ts'
import type { NextPage } from './pages/paginate.ts'
import type { RunContext } from './run-context.ts'
import { discard } from './transport/body.ts'
import { Deadline, limitName } from './transport/deadline.ts'
import { MAX_RETRY_AFTER, waitOf } from './transport/rate-limit.ts'
import type { RateLimitPause } from './transport/rate-limit.ts'
import type { PreparedRequest, RequestBuilder } from './transport/request.ts'
import { ResponseError } from './transport/response-error.ts'
import { retryEvent } from './transport/retry-event.ts'
import type { Checkpoint, OpenWindow } from './windows/checkpoint.ts'
import type { MarkedMoment } from './windows/api-clock.ts'
import { createNewestTime } from './windows/event-time.ts'
import { iso } from '../../fields/moment.ts'
import { rereadOf } from './windows/watermarks.ts'

export interface PageRequest {
  readonly window: OpenWindow
  /** The checkpoint before the page. */
  readonly checkpoint: Checkpoint
  /** API time at which catching up began; known better once the API has responded. */
  readonly reached: MarkedMoment
}

export interface PageHandler {
  /** Takes a chunk of a page that is not complete yet. */
  put(chunk: Chunk): Promise<void>
  /**
   * Called at the start of each response, also of an error.
   * @returns true if the window has changed, so that the response is of no use.
   */
  responded(): Promise<boolean>
  /** Called once for a complete page, with its last chunk, which may be empty. */
  complete(last: Chunk, page: CompletePage): Promise<void>
  /**
   * Called when the API refuses the request.
   * @returns true if the window restarts, so that the request is not repeated.
   */
  restarts(status: number): Promise<boolean>
}

interface CompletePage {
  /** API time at the start of the response. */
  readonly now: number
  /** Number of records, including those that were too long. */
  readonly records: number
  readonly next: NextPage
}

interface Hooks {
  readonly rateLimit: RateLimitPause
}

/** Fetches the pages of one tenant, with retries, and turns them into chunks. */
export class PageReader {
  readonly #context: RunContext
  readonly #tenant: Tenant
  readonly #hooks: Hooks
  readonly #cursors: CursorGuard
  readonly #keyWait: KeyWait
  readonly #newestTime: (lines: Buffer) => number | undefined

  constructor(context: RunContext, tenant: Tenant, hooks: Hooks) {
    this.#context = context
    this.#tenant = tenant
    this.#hooks = hooks
    this.#keyWait = new KeyWait(context)
    this.#newestTime = createNewestTime(context.read.time)
    this.#cursors = new CursorGuard(context.options.paginate?.maxPages)
  }

  /**
   * Reads the next page of a window.
   * @returns false if the window has to restart.
   * @throws SluiceError if the page cannot be read.
   */
  async read(page: PageRequest, handler: PageHandler): Promise<boolean> {
    const { limit, signal, time, access } = this.#context
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#hooks.rateLimit.wait()
        const complete = await limit(() => access.use((used) => this.#readOnce(page, handler, used)))
        this.#keyWait.accepted()
        return complete
      } catch (error) {
        signal.throwIfAborted()
        const status = error instanceof ResponseError ? error.status : undefined
        const isOfWindow = status !== undefined && !REFUSES_CREDENTIALS.has(status)
        if (isOfWindow && ((await handler.responded()) || (await handler.restarts(status)))) return false
        if (await this.#keyWait.after(error)) {
          attempt = 0
          continue
        }
        signal.throwIfAborted()
        await time.sleep(this.#delayOf(attempt, error, page.window), signal)
      }
    }
  }

  /** @returns false if the window has changed. */
  async #readOnce(
    { window, checkpoint, reached }: PageRequest,
    handler: PageHandler,
    { requests, client }: Access,
  ): Promise<boolean> {
    const { options, read, clock, pace, signal } = this.#context
    signal.throwIfAborted()
    const request = this.#build(window, requests)
    await pace.turn(signal)
    const deadline = new Deadline(options.timeout.request, signal, limitName(request.url))
    const started = performance.now()
    try {
      const response = await client.send(request, deadline, signal)
      this.#hooks.rateLimit.observe(response.headers)
      if (await handler.responded()) {
        discard(response.body)
        return false
      }
      const now = Math.max(clock.now(), reached.now())
      const reread = rereadOf(window, checkpoint, now, options.window?.lag ?? 0)
      const page = openPage(response, {
        options,
        maxLine: read.maxLine,
        deadline,
        secrets: client.secretsOf(request),
      })
      // The last chunk waits for the end of the page: only a complete page has a position.
      let last: Chunk = { bytes: Buffer.alloc(0) }
      let wireBytes = 0
      for await (const { bytes, line, skipped } of page.chunks) {
        if (bytes.length === 0 && skipped.length === 0) continue
        if (!clock.isKnown) this.#observeEvents(bytes, window)
        if (last.origin !== undefined) await handler.put(last)
        const origin = { name: describe(request, window), line }
        const sourceBytes = page.wireBytes() - wireBytes
        last = { bytes, skipped, origin, ...(reread === undefined ? {} : { reread }), sourceBytes }
        wireBytes = page.wireBytes()
      }
      const { count, captured } = page.splitter
      const next = nextPage(options.paginate, {
        url: request.url,
        headers: response.headers,
        keyParameter: options.auth?.type === 'apiKey' ? options.auth.query : undefined,
        captured,
        count,
      })
      this.#cursors.check(window, next)
      read.announce?.({
        type: 'page',
        partition: this.#tenant.name,
        page: window.pages + 1,
        records: count,
        bytes: page.wireBytes(),
        method: request.method,
        origin: request.url.origin,
        status: response.status,
        milliseconds: performance.now() - started,
      })
      await handler.complete(last, { now, records: count, next })
      return true
    } finally {
      deadline.close()
    }
  }

  /** An API that has events of a window has reached the start of the window, and their times. */
  #observeEvents(lines: Buffer, { start = -Infinity }: OpenWindow): void {
    if (lines.length > 0) this.#context.clock.observeEvent(this.#newestTime(lines) ?? start)
  }

  #build({ start, end, cursor, pages, records }: OpenWindow, requests: RequestBuilder): PreparedRequest {
    const { options } = this.#context
    return requests.build({
      window: start === undefined || end === undefined ? undefined : { start, end },
      cursor,
      page: (options.paginate?.start ?? 1) + pages,
      offset: records,
      tenant: this.#tenant.values,
    })
  }

  /** Milliseconds until the next attempt. @throws SluiceError if there is none. */
  #delayOf(attempt: number, error: unknown, window: OpenWindow): number {
    const { time, options } = this.#context
    const { attempts, maxDelay } = options.retry
    const cause = asSluiceError(error, 'SOURCE_FAILED', 'the response could not be read')
    const retryAfter = cause instanceof ResponseError ? cause.retryAfter : undefined
    if (!cause.retryable || attempt >= attempts) throw inContext(cause, window, attempt)
    if (retryAfter !== undefined && retryAfter > MAX_RETRY_AFTER)
      throw inContext(cause, window, attempt, `, and asks to wait ${Math.ceil(retryAfter / 1000)} s`)
    const waitMs = waitOf(attempt, retryAfter, { maxDelay, time })
    this.#context.read.announce?.(retryEvent(this.#tenant.name, cause, { attempt, attempts, wait: waitMs }))
    return waitMs
  }
}

/**
 * Another window does not help. Without this, wrong credentials would go unnoticed while none is
 * due by the time of the API.
 */
const REFUSES_CREDENTIALS: ReadonlySet<number> = new Set([401, 402, 403])

/** The name of a page in the origin of its records. */
function describe({ method, url }: PreparedRequest, { start, end, pages }: OpenWindow): string {
  const range = start === undefined || end === undefined ? '' : ` ${iso(start)}/${iso(end)}`
  return `${method} ${url.pathname}${range} page ${pages + 1}`
}

function inContext(error: SluiceError, { start, end, pages }: OpenWindow, attempts: number, more = ''): SluiceError {
  const range = start === undefined || end === undefined ? '' : `window ${iso(start)} to ${iso(end)}, `
  const tries = attempts > 1 ? `, after ${attempts} attempts` : ''
  const { code, message, retryable } = error
  return new SluiceError(code, `${range}page ${pages + 1}: ${message}${more}${tries}`, {
    cause: error,
    retryable,
    ...(error.hint !== undefined && { hint: error.hint }),
  })
}
