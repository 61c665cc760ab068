import type { Clock } from '../../clock.ts'

/**
 * Stands still, and moves on to the end of the shortest sleep once everything else had its turn. So
 * waits take no time, and a run plans by the same times whenever it is repeated.
 */
export class VirtualClock implements Clock {
  readonly #start: number
  readonly #rest: () => Promise<void>
  readonly #moved: (now: number) => Promise<void>
  readonly #waiting = new Set<Sleeper>()
  #elapsed = 0
  #isMoving = false

  /**
   * @param start Unix time in milliseconds.
   * @param options `rest` resolves when everything else had its turn; `moved` is called with each new
   *   time, before anybody is woken
   */
  constructor(start: number, { rest = () => turns(IDLE_TURNS), moved = async () => {} }: VirtualClockOptions = {}) {
    this.#start = start
    this.#rest = rest
    this.#moved = moved
  }

  now(): number {
    return Math.floor(this.#start + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  jitter(): number {
    return 1
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const sleeper: Sleeper = {
        until: this.#elapsed + Math.max(0, milliseconds),
        wake: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      const onAbort = (): void => {
        this.#waiting.delete(sleeper)
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- reasons are errors
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(sleeper)
      void this.#move()
    })
  }

  async #move(): Promise<void> {
    if (this.#isMoving) return
    this.#isMoving = true
    while (this.#waiting.size > 0) {
      await this.#rest()
      const next = [...this.#waiting].toSorted((a, b) => a.until - b.until)[0]
      if (next === undefined) break
      if (next.until > this.#elapsed) {
        this.#elapsed = next.until
        await this.#moved(this.now())
      }
      if (!this.#waiting.delete(next)) continue
      next.wake()
    }
    this.#isMoving = false
  }
}

interface VirtualClockOptions {
  readonly rest?: () => Promise<void>
  readonly moved?: (now: number) => Promise<void>
}

interface Sleeper {
  readonly until: number
  wake(): void
}

/** Turns of the event loop in which others can ask for a shorter sleep. */
const IDLE_TURNS = 2

/** Lets everything that can run do so. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
