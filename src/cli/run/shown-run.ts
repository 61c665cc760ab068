import { RunEvents } from '../../observe/bus/run-events.ts'

/** The present run of a pipeline that has one after another, on the screen or in the log. */
export class ShownRun {
  readonly #pipeline: string
  readonly #show: (events: RunEvents) => () => void
  #events: RunEvents
  #hide: () => void

  /** @param show shows what a run publishes, and returns a function that ends it */
  constructor(pipeline: string, show: (events: RunEvents) => () => void) {
    this.#pipeline = pipeline
    this.#show = show
    this.#events = new RunEvents(pipeline)
    this.#hide = show(this.#events)
  }

  get events(): RunEvents {
    return this.#events
  }

  /** Shows the next run in the place of this one. */
  next(): RunEvents {
    this.#hide()
    this.#events = new RunEvents(this.#pipeline)
    this.#hide = this.#show(this.#events)
    return this.#events
  }

  hide(): void {
    this.#hide()
  }
}
