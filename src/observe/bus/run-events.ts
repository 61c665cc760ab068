import { randomUUID } from 'node:crypto'
import { hideInJson } from '../secrets.ts'
import { channelOf } from './channels.ts'
import { componentLine, lineOf } from '../messages/line.ts'
import type { Line } from '../messages/line.ts'
import type { Facts, Note } from '../messages/table.ts'
import type { EventName, Events, OfRun } from './events.ts'
import { WorkMeter } from './work-meter.ts'

/** A message without the names that every message has. */
type Members<Name extends EventName> = Omit<Events[Name], keyof OfRun>

/** What a run publishes. Every message says which pipeline and which run it is about. */
export class RunEvents {
  readonly run = randomUUID()
  /** Empty until it is known: the streams of a program get their name when they are checked. */
  pipeline: string

  /** What is done for each chunk and batch, in sums. */
  readonly work = new WorkMeter(
    () => this.wants('sluice:run:work'),
    (work) => this.publish('sluice:run:work', work),
  )

  readonly #isRehearsal: boolean

  /** @param options `isRehearsal`: what is tried is no run, and nothing is published */
  constructor(pipeline = '', { isRehearsal = false }: { readonly isRehearsal?: boolean } = {}) {
    this.pipeline = pipeline
    this.#isRehearsal = isRehearsal
  }

  /**
   * True if somebody listens. Ask once for each chunk or batch, before a clock is read or a message
   * is made.
   */
  wants(name: EventName): boolean {
    return channelOf(name).hasSubscribers && !this.#isRehearsal
  }

  /** Publishes a message, without secrets. No-op if nobody listens. */
  publish<Name extends EventName>(name: Name, facts: Members<Name>): void {
    if (!this.wants(name)) return
    const message: { [member: string]: unknown } = { ...facts, pipeline: hideInJson(this.pipeline), run: this.run }
    // The names of members are ours.
    for (const member of Object.keys(facts)) {
      const fact = message[member]
      if (typeof fact !== 'number') message[member] = hideInJson(fact)
    }
    channelOf(name).publish(message)
  }

  /** Publishes a line of the log. */
  readonly note: Note = (...message) => {
    if (this.wants('sluice:run:note')) this.line(lineOf(...message))
  }

  /** The `note` of a stage, see `componentLine`. */
  noteOf(stage: string): (text: string, facts?: Facts) => void {
    return (text, facts = {}) => {
      if (this.wants('sluice:run:note')) this.line(componentLine(text, facts, stage))
    }
  }

  /** Publishes a line that another thread has made for this run. */
  line({ level, code, stage, message, facts }: Line): void {
    this.publish('sluice:run:note', { level, code, stage, message, facts })
  }
}
