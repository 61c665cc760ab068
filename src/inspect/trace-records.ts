import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { memoryDedupKeys, Deduplicator } from '../delivery/dedup/deduplicate.ts'
import { ROUTES_STAGE } from '../delivery/routes/routes.ts'
import { asSluiceError } from '../errors.ts'
import type { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch, Reject } from '../record/batch.ts'
import { LINE_FEED } from '../record/json/ascii.ts'
import { parseSpelled, spelledLines } from '../record/json/spelled.ts'
import { openBatches } from '../record/open-batches.ts'
import { Paths } from '../record/paths/path.ts'
import { routerOf } from '../runtime/routes.ts'
import { buildStages, ruleMatchesOf, type Stage, type StageRule } from '../runtime/transform-stages.ts'
import { reasonOf } from './describe-reject.ts'
import { diffLines, nearChanges } from './diff-lines.ts'
import type { DiffGap, DiffLine } from './diff-lines.ts'
import { openHiddenValues } from './hidden-values.ts'
import type { HiddenValues } from './hidden-values.ts'
import { recordLines } from './record-lines.ts'
import type { RecordLine } from './record-lines.ts'

/** What a stage does with a record. */
type Effect = 'same' | 'changed' | 'split' | 'dropped' | 'duplicate' | 'rejected'

interface TraceStep {
  readonly stage: string
  readonly effect: Effect
  /** Why. */
  readonly detail?: string
  /** Of `changed` and `split`: before and after, without what is far from a change. */
  readonly diff?: readonly (DiffLine | DiffGap)[]
}

/** The way of a record through the stages of a pipeline. */
interface TracedRecord {
  /** From 0, among the records of the input. */
  readonly number: number
  /** In the input, from 1. */
  readonly line: number
  /** As it was read; undefined if the line is no JSON object. */
  readonly before: readonly string[] | undefined
  /** Up to the one that ends its way. */
  readonly steps: readonly TraceStep[]
  /** What is written of it. */
  readonly after: readonly { readonly lines: readonly string[]; readonly to: readonly string[] }[]
}

interface TracedStage {
  readonly stage: string
  readonly type: string
  milliseconds: number
  recordsIn: number
  dropped: number
  duplicate: number
  rejected: number
}

export interface Trace {
  readonly records: readonly TracedRecord[]
  readonly stages: readonly TracedStage[]
  readonly rules: readonly StageRule[]
  readonly totals: {
    readonly records: number
    readonly written: number
    readonly dropped: number
    readonly duplicate: number
    readonly rejected: number
  }
  /** A transform has failed: what is there is of the records before it. */
  readonly failure: SluiceError | undefined
}

export interface TraceOptions {
  /** The first record whose way is wanted, from 0, and how many. */
  readonly from: number
  readonly count: number
  /** Also show the values that redaction changes, as they were before. */
  readonly values: boolean
}

type Transforms = Pick<CheckedPipeline, 'name' | 'folder' | 'transforms' | 'limits' | 'sinks' | 'routes'>

/**
 * Runs lines through the transforms, the deduplication and the routes of a pipeline, and follows some of
 * them from stage to stage. Writes nothing and keeps no state.
 * @param lines NDJSON
 * @throws SluiceError COMPONENT_LOAD_FAILED
 */
export async function traceRecords(
  pipeline: Transforms,
  lines: Buffer,
  { from, count, values }: TraceOptions,
): Promise<Trace> {
  const tracer = await Tracer.open(pipeline, values)
  const all = recordLines(lines)
  const to = Math.min(all.length, from + count)
  const records: TracedRecord[] = []
  let failure: SluiceError | undefined
  try {
    await tracer.pass(all.slice(0, from))
    for (let number = from; number < to; number++) records.push(await tracer.follow(number, all[number]))
    await tracer.pass(all.slice(to))
  } catch (error) {
    failure = asSluiceError(error, 'TRANSFORM_FAILED', 'a transform failed')
  } finally {
    await tracer.close()
  }
  return { records, ...tracer.sums(all.length), failure }
}

/** The stages of a pipeline, one by one. */
class Tracer {
  readonly #limits: Transforms['limits']
  readonly #paths: Paths
  readonly #stages: readonly Stage[]
  readonly #sums: TracedStage[]
  readonly #hidden: HiddenValues | undefined
  readonly #router: Awaited<ReturnType<typeof routerOf>>
  readonly #deduplicator = new Deduplicator(memoryDedupKeys())
  readonly #dedup: TracedStage | undefined
  readonly #hasSinks: boolean
  #number = 0
  #written = 0
  #routed = { dropped: 0, rejected: 0 }
  #unparsed = 0

  private constructor({
    pipeline,
    paths,
    stages,
    hidden,
    router,
  }: {
    pipeline: Transforms
    paths: Paths
    stages: readonly Stage[]
    hidden: HiddenValues | undefined
    router: Awaited<ReturnType<typeof routerOf>>
  }) {
    this.#limits = pipeline.limits
    this.#paths = paths
    this.#stages = stages
    this.#hidden = hidden
    this.#router = router
    this.#hasSinks = pipeline.sinks.length > 1
    this.#sums = pipeline.transforms.map(({ stage, declaration }) => ({
      stage,
      type: declaration.type,
      milliseconds: 0,
      recordsIn: 0,
      dropped: 0,
      duplicate: 0,
      rejected: 0,
    }))
    const dedup = findDedup(pipeline)
    this.#dedup = dedup && this.#sums[dedup.index]
  }

  static async open(pipeline: Transforms, values: boolean): Promise<Tracer> {
    const paths = new Paths()
    const stages = await buildStages(pipeline, { paths, hashKey: undefined })
    const router = await routerOf(pipeline, paths)
    const hidden = values ? undefined : await openHiddenValues(pipeline)
    return new Tracer({ pipeline, paths, stages, hidden, router })
  }

  /** Runs lines that nobody looks at. */
  async pass(lines: readonly RecordLine[]): Promise<void> {
    if (lines.length === 0) return
    let batches = this.#open({ bytes: Buffer.concat(lines.flatMap(({ bytes }) => [bytes, NEW_LINE])), line: 1 })
    for (const batch of batches) this.#unparsed += batch.rejects.length
    for (const [at, stage] of this.#stages.entries()) batches = await this.#run(stage, at, batches)
    for (const batch of batches) await this.#deliver(batch)
  }

  async follow(number: number, { bytes, line }: RecordLine): Promise<TracedRecord> {
    let batches = this.#open({ bytes, line })
    const [fault] = batches.flatMap(({ rejects }) => rejects)
    if (fault !== undefined) {
      this.#unparsed++
      const step: TraceStep = { stage: fault.stage, effect: 'rejected', detail: describe(fault) }
      return { number, line, before: undefined, steps: [step], after: [] }
    }
    let shown = await this.#shown(batches, 0)
    const before = shown[0]
    const steps: TraceStep[] = []
    for (const [at, stage] of this.#stages.entries()) {
      const known = lossesOf(batches)
      const texts = textsOf(batches)
      batches = await this.#run(stage, at, batches)
      const isSame = textsOf(batches).join('\n') === texts.join('\n')
      const next = isSame ? shown : await this.#shown(batches, at + 1)
      steps.push(stepOf(stage.name, { isSame, before: shown, after: next, losses: newLosses(batches, known) }))
      shown = next
      if (next.length === 0) break
    }
    const after: TracedRecord['after'][number][] = []
    for (const batch of batches) {
      const { written, losses, duplicate, shares } = await this.#deliver(batch)
      for (const record of written) {
        const lines = await this.#shownLine(batch.line(record), this.#sums.length)
        const to = shares.filter(({ records }) => records.includes(record)).map(({ sink }) => sink)
        after.push({ lines, to: this.#hasSinks ? to : [] })
      }
      if (duplicate > 0 && this.#dedup !== undefined && written.length === 0) {
        const { stage } = this.#dedup
        const place = steps.findIndex((step) => step.stage === stage)
        steps.splice(place, Infinity, { stage, effect: 'duplicate', detail: 'an earlier record has the same key' })
      } else if (losses.length > 0)
        steps.push(stepOf(ROUTES_STAGE, { isSame: written.length > 0, before: shown, after: [], losses }))
    }
    return { number, line, before, steps, after }
  }

  sums(records: number): Pick<Trace, 'stages' | 'rules' | 'totals'> {
    const sum = (key: 'dropped' | 'duplicate' | 'rejected'): number =>
      this.#sums.reduce((total, stage) => total + stage[key], 0)
    return {
      stages: this.#sums,
      rules: ruleMatchesOf(this.#stages),
      totals: {
        records,
        written: this.#written,
        dropped: sum('dropped') + this.#routed.dropped,
        duplicate: sum('duplicate'),
        rejected: sum('rejected') + this.#routed.rejected + this.#unparsed,
      },
    }
  }

  async close(): Promise<void> {
    for (const stage of this.#stages) await stage.close()
    await this.#hidden?.close()
  }

  #open({ bytes, line }: RecordLine): Batch[] {
    return openBatches(
      { bytes, origin: { name: 'samples', line } },
      { partition: '', number: this.#number++, paths: this.#paths, limits: this.#limits },
    )
  }

  async #run(stage: Stage, at: number, batches: readonly Batch[]): Promise<Batch[]> {
    const before = countsIn(batches)
    const start = performance.now()
    const results: Batch[] = []
    for (const batch of batches) results.push(...(await stage.run(batch)))
    const sums = this.#sums.at(at)
    if (sums === undefined) return results
    const after = countsIn(results)
    sums.milliseconds += performance.now() - start
    sums.recordsIn += before.live
    sums.dropped += after.dropped - before.dropped
    sums.rejected += after.rejected - before.rejected
    return results
  }

  async #deliver(batch: Batch) {
    const before = lossesOf([batch])
    const counted = countsIn([batch])
    this.#router.enter(batch)
    const { written, duplicate } = await this.#deduplicator.deduplicate(batch)
    const shares = this.#router.share(written)
    const now = countsIn([batch])
    this.#written += written.length
    this.#routed.dropped += now.dropped - counted.dropped
    this.#routed.rejected += now.rejected - counted.rejected
    if (this.#dedup !== undefined) this.#dedup.duplicate += duplicate
    return { written, duplicate, shares, losses: newLosses([batch], before) }
  }

  async #shown(batches: readonly Batch[], passed: number): Promise<string[][]> {
    const shown: string[][] = []
    for (const batch of batches)
      for (let record = 0; record < batch.count; record++)
        if (batch.states[record] === RecordState.live) shown.push(await this.#shownLine(batch.line(record), passed))
    return shown
  }

  async #shownLine(line: Buffer, passed: number): Promise<string[]> {
    return spelledLines(this.#hidden ? await this.#hidden.shown(line, passed) : parseSpelled(line.toString()))
  }
}

const NEW_LINE = Buffer.of(LINE_FEED)

/** What batches have lost: records that were rejected, and dropped by reason. */
interface Losses {
  readonly rejects: readonly Reject[]
  readonly dropped: ReadonlyMap<string, number>
}

function lossesOf(batches: readonly Batch[]): Losses {
  const dropped = new Map<string, number>()
  for (const { tallies } of batches)
    for (const [reason, count] of tallies.dropped) dropped.set(reason, (dropped.get(reason) ?? 0) + count)
  return { rejects: batches.flatMap(({ rejects }) => rejects), dropped }
}

interface Loss {
  readonly effect: 'rejected' | 'dropped'
  readonly detail: string
}

function newLosses(batches: readonly Batch[], known: Losses): Loss[] {
  const { rejects, dropped } = lossesOf(batches)
  return [
    ...rejects.slice(known.rejects.length).map((reject): Loss => ({ effect: 'rejected', detail: describe(reject) })),
    ...[...dropped]
      .filter(([reason, count]) => count > (known.dropped.get(reason) ?? 0))
      .map(([reason]): Loss => ({ effect: 'dropped', detail: reason })),
  ]
}

function describe(reject: Reject): string {
  const reason = reasonOf(reject)
  return reason === undefined ? reject.code : `${reject.code}: ${reason}`
}

interface Change {
  readonly isSame: boolean
  readonly before: readonly (readonly string[])[]
  readonly after: readonly (readonly string[])[]
  readonly losses: readonly Loss[]
}

function stepOf(stage: string, { isSame, before, after, losses }: Change): TraceStep {
  const detail = losses.length > 0 ? { detail: losses.map((loss) => loss.detail).join(', ') } : {}
  if (isSame) return { stage, effect: 'same', ...detail }
  if (after.length === 0) return { stage, effect: losses[0]?.effect ?? 'dropped', ...detail }
  const effect = after.length > before.length ? 'split' : 'changed'
  return { stage, effect, ...detail, diff: nearChanges(diffLines(before.flat(), after.flat())) }
}

function textsOf(batches: readonly Batch[]): string[] {
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, record) => record)
      .filter((record) => batch.states[record] === RecordState.live)
      .map((record) => batch.line(record).toString()),
  )
}

function countsIn(batches: readonly Batch[]): { live: number; dropped: number; rejected: number } {
  const { rejects, dropped } = lossesOf(batches)
  return {
    live: batches.reduce((sum, { live }) => sum + live, 0),
    dropped: [...dropped.values()].reduce((sum, count) => sum + count, 0),
    rejected: rejects.length,
  }
}
