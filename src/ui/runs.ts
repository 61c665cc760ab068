import { Latest } from '../observe/latest.ts'
import { factsBeside, isMessageCode } from '../observe/messages/table.ts'
import type { LogLine } from '../observe/run-log.ts'
import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import type { ApiLogLine, PipelineDetail } from './api.ts'
import { History } from './history.ts'

/** Takes what is seen of runs. */
export type RunTaker = Pick<Runs, 'takeStatus' | 'takeLines' | 'takeEnd'>

/** Hears of the runs of one pipeline. */
interface RunListener {
  readonly status: (snapshot: StatusSnapshot) => void
  /** Each line once, the oldest first. */
  readonly log: (lines: readonly ApiLogLine[]) => void
  /** @param why for people */
  readonly ended: (why: string) => void
}

/** What is known of the runs of a pipeline since the page is served. */
class PipelineRuns {
  /** Of the run now; undefined if there is none. */
  snapshot: StatusSnapshot | undefined
  /** The run before it; undefined while there is one. */
  last: PipelineDetail['lastRun']
  readonly history = new History()
  /** Also of runs that are over. */
  readonly log = new Latest<ApiLogLine>(MOST_LINES)
  readonly listeners = new Set<RunListener>()
}

const MOST_LINES = 500

/** The runs of all pipelines, whoever watches them: every viewer shares what is seen once. */
export class Runs {
  readonly #pipelines = new Map<string, PipelineRuns>()

  of(pipeline: string): Omit<PipelineRuns, 'listeners'> {
    // A name in an address is anything: what no run has is not kept.
    return this.#pipelines.get(pipeline) ?? new PipelineRuns()
  }

  /** Pipelines that run, or have run while the page is served. */
  get names(): string[] {
    return [...this.#pipelines].flatMap(([name, { snapshot, last }]) => ((snapshot ?? last) ? [name] : []))
  }

  /** Hands on what happens to the runs of a pipeline. Returns a function that ends it. */
  listen(pipeline: string, listener: RunListener): () => void {
    const { listeners } = this.#known(pipeline)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }

  takeStatus(pipeline: string, snapshot: StatusSnapshot): void {
    const known = this.#known(pipeline)
    known.snapshot = snapshot
    known.last = undefined
    known.history.add(snapshot)
    for (const { status } of known.listeners) status(snapshot)
  }

  takeLines(pipeline: string, run: string, lines: readonly LogLine[]): void {
    const known = this.#known(pipeline)
    const shown = lines.map((line) => ({ ...line, run, facts: factsToShow(line) }))
    for (const line of shown) known.log.add(line)
    for (const { log } of known.listeners) log(shown)
  }

  takeEnd(pipeline: string, why: string): void {
    const known = this.#known(pipeline)
    if (known.snapshot === undefined) return
    known.last = { snapshot: known.snapshot, endedAt: Date.now(), why }
    known.snapshot = undefined
    for (const { ended } of known.listeners) ended(why)
  }

  #known(pipeline: string): PipelineRuns {
    const known = this.#pipelines.get(pipeline) ?? new PipelineRuns()
    this.#pipelines.set(pipeline, known)
    return known
  }
}

/** Those beside the text, as in the log for people. */
function factsToShow({ code, facts }: LogLine): LogLine['facts'] {
  return isMessageCode(code) ? Object.fromEntries(factsBeside(code, facts)) : facts
}
