import { setImmediate as turn } from 'node:timers/promises'
import type { ExchangeLayer } from '../../../src/network/exchange.ts'
import type { Clock } from '../../../src/time.ts'

/**
 * A clock for days in a minute: it stands still while a response is awaited or read, and otherwise
 * moves to the end of the shortest sleep. So nothing is late because the machine is slow.
 */
export class SoakClock implements Clock {
  readonly #start: number
  readonly #moved: (now: number) => Promise<void>
  readonly #sleepers = new Set<Sleeper>()
  #elapsed = 0
  #open = 0
  #isMoving = false

  /** @param moved Called with each new time, before anybody sees it. */
  constructor(start: number, moved: (now: number) => Promise<void>) {
    this.#start = start
    this.#moved = moved
  }

  /** Counts the responses that are awaited or read. */
  readonly exchange: ExchangeLayer = (send) => async (request) => {
    this.#open++
    try {
      const response = await send(request)
      response.body.once('close', () => this.#open--)
      return response
    } catch (error) {
      this.#open--
      throw error
    }
  }

  now(): number {
    return Math.floor(this.#start + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  jitter(): number {
    return Math.random()
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#sleepers.delete(sleeper)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        leave()
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- reasons are errors
        reject(signal.reason)
      }
      const wake = (): void => {
        leave()
        resolve()
      }
      const sleeper = { until: this.#elapsed + Math.max(0, milliseconds), wake }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#sleepers.add(sleeper)
      void this.#move()
    })
  }

  async #move(): Promise<void> {
    if (this.#isMoving) return
    this.#isMoving = true
    while (this.#sleepers.size > 0) {
      await this.#rest()
      const next = [...this.#sleepers].reduce<Sleeper | undefined>(
        (first, one) => (first === undefined || one.until < first.until ? one : first),
        undefined,
      )
      if (next === undefined) break
      if (next.until > this.#elapsed) {
        this.#elapsed = next.until
        await this.#moved(this.now())
      }
      next.wake()
    }
    this.#isMoving = false
  }

  /** Resolves when no response is open, and what it has caused is done. */
  async #rest(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      if (this.#open > 0) quiet = 0
      await turn()
    }
  }
}

interface Sleeper {
  readonly until: number
  wake(): void
}

const QUIET_TURNS = 3
