import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** One rate, shared by all connections. */
export class Throttle {
  #bytesPerSecond: number | undefined
  #freeAt = 0
  #changed = new AbortController()

  /** Bytes per second. 0 blocks everything until the next change; `undefined` is no limit. */
  set(bytesPerSecond: number | undefined): void {
    this.#bytesPerSecond = bytesPerSecond
    this.#freeAt = 0
    this.#changed.abort()
    this.#changed = new AbortController()
  }

  /** Resolves when `bytes` may pass. */
  async take(bytes: number): Promise<void> {
    while (this.#bytesPerSecond !== undefined) {
      const { signal } = this.#changed
      if (await this.#waited(bytes, this.#bytesPerSecond, signal)) return
    }
  }

  async #waited(bytes: number, rate: number, signal: AbortSignal): Promise<boolean> {
    if (rate === 0) {
      await once(signal, 'abort')
      return false
    }
    const now = performance.now()
    this.#freeAt = Math.max(now, this.#freeAt) + (bytes / rate) * 1000
    return delay(this.#freeAt - now, true, { signal }).catch(() => false)
  }
}
