import type { RunEvents } from './bus/run-events.ts'
import { Latest } from './latest.ts'
import { listenLines } from './log-lines.ts'
import type { Line } from './messages/line.ts'

/** A line of the log of a run, without secrets. */
export interface LogLine extends Line {
  /** Counts the lines of a run, from 1: a gap between two numbers is lines that are not there any more. */
  readonly number: number
  /** Milliseconds since 1970. */
  readonly at: number
}

const logs = new WeakMap<RunEvents, RunLog>()

/** The last lines of the log of a run. It listens from the first call on. Everybody who asks gets the same one. */
export function runLogOf(events: RunEvents): RunLog {
  const known = logs.get(events)
  if (known) return known
  const log = new RunLog(events)
  logs.set(events, log)
  return log
}

/** Keeps the last lines that a run logs with the level `info` or a more important one. */
export class RunLog {
  readonly #lines = new Latest<LogLine>(MOST_LINES)
  readonly #stop: () => void
  #number = 0

  constructor(events: RunEvents) {
    this.#stop = listenLines(events, 'info', (line) =>
      this.#lines.add({ number: ++this.#number, at: Date.now(), ...bounded(line) }),
    )
  }

  /** The kept lines whose number is higher than this one, the oldest first. */
  after(number: number): readonly LogLine[] {
    if (number >= this.#number) return []
    return this.#lines.items.filter((line) => line.number > number)
  }

  /** Hears no more. What is kept stays. */
  close(): void {
    this.#stop()
  }
}

const MOST_LINES = 500

/** Custom code and servers write texts of any length. */
function bounded({ message, facts, ...line }: Line): Line {
  const short = Object.entries(facts)
    .slice(0, MOST_FACTS)
    .map(([name, value]) => [name, typeof value === 'string' ? cut(value) : value] as const)
  return { ...line, message: cut(message), facts: Object.fromEntries(short) }
}

const MOST_FACTS = 30
/** Characters of a text. */
const MOST_TEXT = 2000

function cut(text: string): string {
  return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}…`
}
