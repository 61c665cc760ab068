import type { CheckedPipeline } from '../config/pipeline.ts'
import { memoryDedupKeys, Deduplicator } from '../delivery/dedup/deduplicate.ts'
import type { Batch, Reject } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import { Paths } from '../record/paths/path.ts'
import { routerOf } from '../runtime/routes.ts'
import { buildStages, ruleMatchesOf, throughAll, type StageRule } from '../runtime/transform-stages.ts'

/** The result of running a pipeline's transforms over lines, without a source, sink or state. */
export interface DryRun {
  /** The records that would be written, one line each. */
  readonly output: readonly string[]
  /** The names of the sinks that get each record of `output`. */
  readonly to: readonly (readonly string[])[]
  /** In the order of their lines, regardless of the stage that rejected them. */
  readonly rejects: readonly Reject[]
  readonly dropped: ReadonlyMap<string, number>
  readonly duplicates: number
  /** What the rules of the stages have matched in all runs so far. */
  readonly rules: readonly StageRule[]
  /** The batches that went into the transforms, and those that came out. */
  readonly batches: { readonly before: readonly Batch[]; readonly after: readonly Batch[] }
}

/** The transforms of a pipeline, with its routes and deduplication after them. */
export interface DryRunner {
  /** Runs NDJSON lines as the next batch. Deduplicates them among all batches so far. */
  run(lines: Buffer): Promise<DryRun>
  close(): Promise<void>
}

type Transforms = Pick<CheckedPipeline, 'name' | 'folder' | 'transforms' | 'limits'> &
  Partial<Pick<CheckedPipeline, 'sinks' | 'routes'>>

export async function openDryRunner(pipeline: Transforms): Promise<DryRunner> {
  const { limits } = pipeline
  const paths = new Paths()
  const stages = await buildStages(pipeline, { paths, hashKey: undefined })
  const router = await routerOf({ sinks: pipeline.sinks ?? [], routes: pipeline.routes }, paths)
  const deduplicator = new Deduplicator(memoryDedupKeys())
  let number = 0
  return {
    async run(lines) {
      const chunk = { bytes: lines, origin: { name: 'input', line: 1 } }
      const before = openBatches(chunk, { partition: '', number: number++, paths, limits })
      const after = await throughAll(stages, before)
      const output: string[] = []
      const to: string[][] = []
      const rejects: Reject[] = []
      const dropped = new Map<string, number>()
      let duplicates = 0
      for (const batch of after) {
        router.enter(batch)
        const result = await deduplicator.deduplicate(batch)
        const shares = router.share(result.written)
        for (const record of result.written) {
          output.push(batch.line(record).toString())
          to.push(shares.filter(({ records }) => records.includes(record)).map(({ sink }) => sink))
        }
        rejects.push(...result.rejects)
        for (const [reason, count] of batch.tallies.dropped) dropped.set(reason, (dropped.get(reason) ?? 0) + count)
        duplicates += result.duplicate
      }
      return {
        output,
        to,
        rejects: rejects.toSorted((a, b) => a.line - b.line),
        dropped,
        duplicates,
        rules: ruleMatchesOf(stages),
        batches: { before, after },
      }
    },
    async close() {
      for (const stage of stages) await stage.close()
    },
  }
}

/** Runs NDJSON lines as one batch, and closes the transforms. */
export async function dryRun(pipeline: Transforms, lines: Buffer): Promise<DryRun> {
  const runner = await openDryRunner(pipeline)
  try {
    return await runner.run(lines)
  } finally {
    await runner.close()
  }
}
