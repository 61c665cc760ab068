import { forgetCode } from '../../config/import-code.ts'
import { findDedup } from '../../config/pipeline.ts'
import type { CheckedPipeline, DedupStage } from '../../config/pipeline.ts'
import { DedupIndex, dedupFolder } from '../../delivery/dedup/dedup-index.ts'
import { Deduplicator, memoryDedupKeys } from '../../delivery/dedup/deduplicate.ts'
import type { DedupKeys, DedupResult } from '../../delivery/dedup/deduplicate.ts'
import { formatRejectId } from '../../delivery/rejects/reject-id.ts'
import { Replay } from '../../delivery/rejects/replay.ts'
import type { Router } from '../../delivery/routes/router.ts'
import { readState } from '../../delivery/state/state-reader.ts'
import type { StateReader } from '../../delivery/state/state-reader.ts'
import { SluiceError } from '../../errors.ts'
import { realFiles } from '../../files.ts'
import type { Batch } from '../../record/batch.ts'
import { reasonOf } from '../../inspect/describe-reject.ts'
import { parseSpelled, spelledLines } from '../../record/json/spelled.ts'
import { Paths } from '../../record/paths/path.ts'
import { Intake } from '../../runtime/intake.ts'
import { findEntry, reentry, replayBatches } from '../../runtime/replay.ts'
import type { Reentry } from '../../runtime/replay.ts'
import { routerOf } from '../../runtime/routes.ts'
import { buildStages } from '../../runtime/transform-stages.ts'
import { loadText } from '../load-text.ts'
import type { RejectChoice, RejectOutcome, TryRejectsAnswer } from './api.ts'
import { chooseRejects } from './choose-rejects.ts'
import type { ChosenReject } from './choose-rejects.ts'

interface TryOptions {
  /** The project folder. */
  readonly root: string
  readonly name: string
  /** The state folder of the pipeline. */
  readonly folder: string
  readonly choice: RejectChoice
}

/**
 * What `sluice rejects replay` would make of rejects: they go through the same stages, routes and deduplication.
 * Writes nothing.
 * @throws SluiceError CONFIG_INVALID if the pipeline file has errors, or as a transform says
 */
export async function tryRejects({ root, name, folder, choice }: TryOptions): Promise<TryRejectsAnswer> {
  await forgetCode()
  const pipeline = await loadText({ root, name, text: undefined }, { mode: 'check', parts: ['transforms', 'sinks'] })
  const { hashKey, dedupRows } = await readState(folder, readKeys)
  const dedup = findDedup(pipeline)
  const attempt = { pipeline, folder, choice, hashKey }
  try {
    const open = () => (dedup ? openKeys(dedup, { folder, rows: dedupRows }) : memoryDedupKeys())
    return { ...(await tryWith(attempt, open)), knowsDuplicates: true }
  } catch (error) {
    // A run that owns the state may have deleted an expired bucket, or the keys need more memory than this has.
    if (!(error instanceof SluiceError) || !OF_KEYS.has(error.code)) throw error
    return { ...(await tryWith(attempt, memoryDedupKeys)), knowsDuplicates: false }
  }
}

const OF_KEYS: ReadonlySet<string> = new Set(['DEDUP_MEMORY', 'DISK_FAILED', 'STATE_DAMAGED'])

function readKeys(state: StateReader) {
  return { hashKey: Buffer.from(state.meta?.hashKey ?? '', 'hex'), dedupRows: state.dedupBuckets() }
}

/** The committed keys of a state. What is added stays in memory: nothing is written. */
function openKeys(
  { stage, settings: { memory, within } }: DedupStage,
  { folder, rows }: { readonly folder: string; readonly rows: ReturnType<StateReader['dedupBuckets']> },
): DedupIndex {
  return new DedupIndex({
    folder: dedupFolder(folder),
    files: realFiles,
    rows,
    stage,
    memory: Math.min(memory, MOST_KEY_BYTES),
    within,
  })
}

/** Beside a run that has its own. */
const MOST_KEY_BYTES = 256 << 20

interface Attempt {
  readonly pipeline: CheckedPipeline
  readonly folder: string
  readonly choice: RejectChoice
  readonly hashKey: Buffer
}

async function tryWith(
  { pipeline, folder, choice, hashKey }: Attempt,
  open: () => DedupKeys,
): Promise<Omit<TryRejectsAnswer, 'knowsDuplicates'>> {
  return chooseRejects(folder, choice, async (chosen) => {
    const paths = new Paths()
    const stages = await buildStages(pipeline, { paths, hashKey, context: { isRedacted: true } })
    try {
      const router = await routerOf(pipeline, paths)
      const deduplicator = new Deduplicator(open(), { marksRejects: false })
      const outcomes = new Outcomes(pipeline)
      const replay = new Replay()
      const batches = replayBatches({
        rejects: outcomes.enter(chosen),
        replay,
        stages,
        paths,
        limits: pipeline.limits,
        note: (...message) => {
          if (message[0] === 'replay.skipped') outcomes.skip(String(message[1]?.reject))
        },
        stop: new AbortController().signal,
        intake: new Intake(),
      })
      for await (const batch of batches) {
        if (batch.end) {
          if (batch.end.kind === 'failed') throw batch.end.error
          break
        }
        router.enter(batch)
        const result = await deduplicator.deduplicate(batch)
        outcomes.add(batch, result, router)
        const finished = replay.finish(batch, result.duplicate)
        if (finished) outcomes.finish(formatRejectId(finished.id), finished.isDone)
      }
      return outcomes.answer()
    } finally {
      for (const stage of stages) await stage.close()
    }
  })
}

/** What becomes of each reject, one after the other: a reject enters when the one before has left the stages. */
class Outcomes {
  readonly #pipeline: CheckedPipeline
  readonly #outcomes: RejectOutcome[] = []
  readonly #totals: Record<RejectOutcome['outcome'], number> = {
    written: 0,
    rejected: 0,
    duplicate: 0,
    dropped: 0,
    stays: 0,
    blocked: 0,
  }
  #entered: ChosenReject | undefined
  #last: string | undefined
  #made = nothing()

  constructor(pipeline: CheckedPipeline) {
    this.#pipeline = pipeline
  }

  /** What enters the stages. The others have their outcome at once. */
  async *enter(chosen: Iterable<ChosenReject>): AsyncGenerator<Reentry, void> {
    for (const one of chosen) {
      const { id, reject, record } = one
      this.#last = id
      const entry = findEntry(reject, this.#pipeline)
      if (record === undefined) this.#end(id, 'stays', 'it has no record: the line did not parse')
      else if (typeof entry === 'string') this.#end(id, 'blocked', entry)
      else {
        this.#entered = one
        yield reentry(reject, this.#pipeline, Buffer.from(record))
      }
    }
  }

  /** The record that has entered last does not fit the limits of the pipeline. */
  skip(code: string): void {
    if (!this.#entered) return
    const { id, isCorrected } = this.#entered
    this.#end(id, isCorrected ? 'blocked' : 'stays', `the record is ${code}`)
  }

  add(batch: Batch, { written, rejects, duplicate }: DedupResult, router: Router): void {
    const shares = this.#pipeline.sinks.length > 1 ? router.share(written) : []
    for (const record of written) {
      if (this.#made.after.length >= MOST_RECORDS) break
      const to = shares.filter(({ records }) => records.includes(record)).map(({ sink }) => sink)
      this.#made.after.push({ lines: this.#isShown ? linesOf(batch.line(record)) : [], to })
    }
    for (const { code, stage, detail } of rejects) {
      const reason = reasonOf({ code, detail })
      this.#made.rejections.push({ code, stage, ...(reason !== undefined && { reason }) })
    }
    this.#made.dropped.push(...batch.tallies.dropped.keys())
    this.#made.duplicates += duplicate
  }

  finish(id: string, isDone: boolean): void {
    const { after, rejections, duplicates } = this.#made
    if (!isDone) this.#end(id, 'stays', 'a record with the same dedup key is written: this one may not be')
    else if (after.length > 0) this.#end(id, 'written')
    else if (rejections.length > 0) this.#end(id, 'rejected')
    else this.#end(id, duplicates > 0 ? 'duplicate' : 'dropped')
  }

  answer(): Omit<TryRejectsAnswer, 'knowsDuplicates'> {
    return {
      chosen: Object.values(this.#totals).reduce((sum, count) => sum + count, 0),
      totals: this.#totals,
      outcomes: this.#outcomes,
      ...(this.#last !== undefined && { upTo: this.#last }),
    }
  }

  get #isShown(): boolean {
    return this.#outcomes.length < SHOWN
  }

  #end(id: string, outcome: RejectOutcome['outcome'], why?: string): void {
    this.#totals[outcome]++
    const { duplicates: _, ...made } = this.#made
    if (this.#isShown) this.#outcomes.push({ id, outcome, ...(why !== undefined && { why }), ...made })
    this.#made = nothing()
    this.#entered = undefined
  }
}

/** Outcomes that are shown one by one. */
const SHOWN = 100
/** Records of one reject that are shown. */
const MOST_RECORDS = 20

/** What has become of a reject so far. */
interface Made {
  readonly after: RejectOutcome['after'][number][]
  readonly rejections: RejectOutcome['rejections'][number][]
  readonly dropped: string[]
  duplicates: number
}

function nothing(): Made {
  return { after: [], rejections: [], dropped: [], duplicates: 0 }
}

function linesOf(line: Buffer): string[] {
  return spelledLines(parseSpelled(line.toString()))
}
