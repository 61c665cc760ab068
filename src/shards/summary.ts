import type { InputFailure } from '../component.ts'
import type { Delivery } from '../delivery/delivery.ts'
import type { ShardCounts } from '../delivery/shards/shard-commit.ts'
import type { ShardEvent } from '../delivery/shards/shard-commit-options.ts'
import type { ShardTask } from '../delivery/shards/shard.ts'
import { SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import { plural } from '../observe/report.ts'
import type { DamagedInput, FailedShard, Report } from '../observe/report.ts'
import { addRules, addStageCounts } from '../observe/add-counts.ts'
import { describeError, hideInReport, inputsDamaged, noteUnmatched } from '../runtime/run-report.ts'
import type { RunResult } from '../runtime/run.ts'
import type { DispatchObserver } from './dispatch.ts'

interface SummaryOptions {
  readonly pipeline: string
  readonly startedAt: Date
  readonly note: Note
}

interface Ending {
  /** Why the run as a whole has failed. */
  readonly failure: SluiceError | undefined
  readonly totals: ReturnType<Delivery['totals']>
  readonly isStopped: boolean
}

/** Collects what the report of a parallel backfill says besides the totals of the commit. */
export class Summary {
  readonly #options: SummaryOptions
  readonly #damaged: DamagedInput[] = []
  readonly #failed = new Map<number, FailedShard>()
  #rules: Report['rules'] = []
  #counts: Report['counts'] = []
  /** Inputs of the shards that are executed. */
  readonly #inputs = new Map<number, readonly string[]>()
  /** Shards that were committed before, and whose objects are made once more. */
  readonly #madeAgain = new Set<number>()
  #planned = 0
  /** Committed by earlier processes. */
  #before = 0
  #committed = 0
  #bytesIn = 0
  #unfinished = 0

  constructor(options: SummaryOptions) {
    this.#options = options
  }

  /** The plan, as this run finds it. */
  begin({ shards, done }: ShardCounts): void {
    this.#planned = shards
    this.#before = done
  }

  /** Takes an input that the plan cannot have. @throws its error, unless the run keeps going */
  inputFailed(keepGoing: boolean): (failure: InputFailure) => void {
    return ({ input, line, error }) => {
      if (!keepGoing) throw error
      const { code, message, hint } = error
      this.#options.note('input.damaged', { input, error: code, reason: message })
      this.#damaged.push({
        input,
        code,
        message,
        ...(line !== undefined && { line }),
        ...(hint !== undefined && { hint }),
      })
    }
  }

  /** An observer that also sees what this one needs. */
  with(observer: DispatchObserver): DispatchObserver {
    return {
      started: (task) => {
        this.#inputs.set(task.shard.number, inputsOf(task))
        observer.started(task)
      },
      progress: (task, progress) => observer.progress(task, progress),
      ended: (task) => {
        this.#inputs.delete(task.shard.number)
        observer.ended(task)
      },
      executed: (task, result) => observer.executed(task, result),
      failedOnce: (task, error) => observer.failedOnce(task, error),
    }
  }

  observe(event: ShardEvent): void {
    if (event.kind === 'failed') {
      const { code, message, hint } = event.error
      const inputs = this.#inputs.get(event.shard) ?? []
      this.#failed.set(event.shard, { shard: event.shard, inputs, code, message, ...(hint !== undefined && { hint }) })
    }
    if (event.kind === 'again' && event.reason === 'gone') this.#madeAgain.add(event.shard)
    if (event.kind !== 'committed' || this.#madeAgain.delete(event.shard)) return
    const { bytesIn, unfinished, damaged, rules, counts = [] } = event.result
    this.#committed++
    this.#bytesIn += bytesIn
    this.#unfinished += unfinished
    for (const input of damaged) this.#damaged.push(input)
    this.#counts = addStageCounts(this.#counts, counts)
    this.#rules = addRules(this.#rules, rules)
  }

  /** The result of the run. */
  end({ failure, totals, isStopped }: Ending): RunResult {
    const { pipeline, startedAt, note } = this.#options
    const failed = [...this.#failed.values()].toSorted((one, other) => one.shard - other.shard)
    const left = this.#planned - this.#before - this.#committed - failed.length
    const isInterrupted = isStopped && failure === undefined && (left > 0 || this.#planned === 0)
    const error = failure ?? (isInterrupted ? undefined : this.#incompleteness(failed))
    const rules = this.#rules
    if (totals.read > 0) noteUnmatched(rules, note)
    const report = hideInReport({
      pipeline,
      outcome: isInterrupted ? 'interrupted' : outcomeOf(error),
      ...(error && { error: describeError(error) }),
      ...(this.#damaged.length > 0 && { damaged: this.#damaged }),
      ...totals,
      rules,
      counts: this.#counts,
      unfinished: this.#unfinished,
      bytesIn: this.#bytesIn,
      shards: { planned: this.#planned, committed: this.#committed, left, failed },
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1000,
    })
    return error ? { report, error } : { report }
  }

  #incompleteness(failed: readonly FailedShard[]): SluiceError | undefined {
    if (failed.length > 0) return shardsFailed(failed.length)
    return this.#damaged.length > 0 ? inputsDamaged(this.#damaged.length) : undefined
  }
}

function outcomeOf(error: SluiceError | undefined): Report['outcome'] {
  if (error === undefined) return 'done'
  return error.code === 'INPUTS_DAMAGED' ? 'incomplete' : 'failed'
}

function inputsOf({ shard }: ShardTask): readonly string[] {
  return [...new Set(shard.parts.map(({ input }) => input))].slice(0, NAMED_INPUTS)
}

const NAMED_INPUTS = 10

function shardsFailed(count: number): SluiceError {
  return new SluiceError('SHARDS_FAILED', `${plural(count, 'shard')} failed; all others are committed`, {
    hint: 'they are listed above and in the report; remove the cause and run the same command again, which tries these alone; or give them up with `sluice runs cancel`',
  })
}
