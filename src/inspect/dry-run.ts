import type { CheckedPipeline } from '../config/pipeline.ts'
import { memoryDedupKeys, Deduplicator } from '../delivery/dedup/deduplicate.ts'
import type { Reject } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import { Paths } from '../record/paths/path.ts'
import { buildStages, throughAll } from '../runtime/transform-stages.ts'

/** The result of running a pipeline's transforms over lines, without a source, sink or state. */
export interface DryRun {
  /** The records that would be written, one line each. */
  readonly output: readonly string[]
  /** In the order of their lines, regardless of the stage that rejected them. */
  readonly rejects: readonly Reject[]
  readonly dropped: ReadonlyMap<string, number>
  readonly duplicates: number
}

/**
 * Runs the transforms of a pipeline over NDJSON lines, and deduplicates the lines among themselves.
 */
export async function dryRun(pipeline: CheckedPipeline, lines: Buffer): Promise<DryRun> {
  const paths = new Paths()
  const stages = await buildStages(pipeline, { paths, hashKey: undefined })
  const deduplicator = new Deduplicator(memoryDedupKeys())
  const output: string[] = []
  const rejects: Reject[] = []
  const dropped = new Map<string, number>()
  let duplicates = 0
  try {
    const opened = openBatches(
      { bytes: lines, origin: { name: 'input', line: 1 } },
      { partition: '', number: 0, paths, limits: pipeline.limits },
    )
    for (const batch of await throughAll(stages, opened)) {
      const result = await deduplicator.deduplicate(batch)
      for (const record of result.written) output.push(batch.line(record).toString())
      rejects.push(...result.rejects)
      for (const [reason, count] of batch.tallies.dropped) dropped.set(reason, (dropped.get(reason) ?? 0) + count)
      duplicates += result.duplicate
    }
  } finally {
    for (const stage of stages) await stage.close()
  }
  return { output, rejects: rejects.toSorted((a, b) => a.line - b.line), dropped, duplicates }
}
