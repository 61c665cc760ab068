import type { Events, OfRun } from './events.ts'
import { WorkSums } from './work-sums.ts'

/**
 * Sums up what a run reads, what passes its stages and what is delivered, and publishes the sums several
 * times a second: a message for each batch and stage would cost more than a hundredth of the run.
 */
export class WorkMeter {
  readonly #wants: () => boolean
  readonly #publish: (work: Omit<Events['sluice:run:work'], keyof OfRun>) => void
  #sums: WorkSums | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param wants whether somebody listens */
  constructor(wants: () => boolean, publish: (work: Omit<Events['sluice:run:work'], keyof OfRun>) => void) {
    this.#wants = wants
    this.#publish = publish
  }

  /** True if somebody listens. Ask once for each chunk or batch, before a clock is read. */
  get isWanted(): boolean {
    return this.#wants()
  }

  /** Where to add what is done now. Do not keep it. */
  get sums(): WorkSums {
    this.#timer ??= setTimeout(() => this.flush(), INTERVAL).unref()
    return (this.#sums ??= new WorkSums())
  }

  /** Publishes what was not published yet. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const sums = this.#sums
    this.#sums = undefined
    if (sums) this.#publish(sums.sums)
  }
}

/** Milliseconds. */
const INTERVAL = 100
