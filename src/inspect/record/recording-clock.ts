import { systemClock } from '../../clock.ts'
import type { Clock } from '../../clock.ts'

/**
 * The time of a recording: it really waits, but moves on only then, as the clock of a test does. So the
 * source plans the same windows when the recording is played back.
 */
export class RecordingClock implements Clock {
  readonly start = Math.floor(Date.now() / 1000) * 1000
  #elapsed = 0

  now(): number {
    return Math.floor(this.start + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  jitter(): number {
    return 1
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const until = this.#elapsed + Math.max(0, milliseconds)
    await systemClock.sleep(milliseconds, signal)
    this.#elapsed = Math.max(this.#elapsed, until)
  }
}
