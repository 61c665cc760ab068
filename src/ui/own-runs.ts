import type { RunEvents } from '../observe/bus/run-events.ts'
import { runLogOf } from '../observe/run-log.ts'
import { statusOf } from '../observe/status/run-status.ts'
import type { RunTaker } from './runs.ts'

/** The runs of this process. They need no state: a pipeline that writes to `stdout` is seen too. */
export class OwnRuns {
  readonly #runs: RunTaker
  /** How many runs each pipeline has. */
  readonly #counts = new Map<string, number>()

  constructor(runs: RunTaker) {
    this.#runs = runs
  }

  has(pipeline: string): boolean {
    return this.#counts.has(pipeline)
  }

  /**
   * Watches a run. Call it before the run begins.
   * @returns a function that ends it, after the last line of the log
   */
  add(events: RunEvents): () => void {
    const { pipeline, run } = events
    const [status, log] = [statusOf(events), runLogOf(events)]
    this.#counts.set(pipeline, (this.#counts.get(pipeline) ?? 0) + 1)
    let lastLine = 0
    let isOver = false
    const look = (): void => {
      const lines = log.after(lastLine)
      lastLine = lines.at(-1)?.number ?? lastLine
      if (lines.length > 0) this.#runs.takeLines(pipeline, run, lines)
      if (isOver) return
      const snapshot = status.snapshot()
      // Without stages it has not begun: it may wait for the time of a schedule.
      if (snapshot.stages.length > 0) this.#runs.takeStatus(pipeline, snapshot)
    }
    const end = (): void => {
      if (isOver) return
      look()
      isOver = true
      this.#runs.takeEnd(pipeline, 'the run has ended')
    }
    const timer = setInterval(look, INTERVAL).unref()
    status.onEnd(end)
    return () => {
      clearInterval(timer)
      end()
      look()
      this.#forget(pipeline)
    }
  }

  #forget(pipeline: string): void {
    const left = (this.#counts.get(pipeline) ?? 0) - 1
    if (left > 0) this.#counts.set(pipeline, left)
    else this.#counts.delete(pipeline)
  }
}

/** Milliseconds between two snapshots. */
const INTERVAL = 500
