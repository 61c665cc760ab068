/**
 * The share of one run in its thread. Streams pass batches on without a turn of the event loop: a source
 * whose data is in memory would keep timers, signals, sockets and the other runs waiting until its
 * end. So after its share a run waits for the next turn. With several runs the share of each is one
 * batch, so none waits for more than one batch of each other run.
 */
export class FairTurn {
  #batches = 0
  #isCounting = false

  constructor() {
    runs++
  }

  /** Call it before each batch. Returns what to wait for, or undefined if it is still the run's turn. */
  take(): Promise<void> | undefined {
    if (!this.#isCounting) {
      this.#isCounting = true
      setImmediate(() => {
        this.#isCounting = false
        this.#batches = 0
      })
    }
    if (++this.#batches <= (runs > 1 ? 1 : ALONE)) return undefined
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** The run reads no more. Call it once. */
  end(): void {
    runs--
  }
}

/** Runs of this thread that read. */
let runs = 0

/** Batches in a turn of a run that is alone: the others are signals, timers and probes. */
const ALONE = 16
