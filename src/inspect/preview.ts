import type { CheckedPipeline } from '../config/pipeline.ts'
import { memoryDedupKeys, Deduplicator } from '../delivery/dedup/deduplicate.ts'
import type { Batch, Reject } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import { parseSpelled } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
import { Paths } from '../record/paths/path.ts'
import { describeReject } from './describe-reject.ts'
import { openHiddenValues } from './hidden-values.ts'
import type { HiddenValues } from './hidden-values.ts'
import { Intake } from '../runtime/intake.ts'
import type { Router, Share } from '../delivery/routes/router.ts'
import { routerOf } from '../runtime/routes.ts'
import { readBatches } from '../runtime/source-stage.ts'
import { buildStages, ruleMatchesOf, throughAll, type Stage, type StageRule } from '../runtime/transform-stages.ts'

export interface PreviewedRecord {
  readonly origin: string
  readonly line: number
  /**
   * The record as read, with all values hidden that redaction changes. Undefined if the line does
   * not parse.
   */
  readonly before: Spelled | undefined
  /** The records that would be written: none, one or several. */
  readonly after: readonly Spelled[]
  /** The names of the sinks that get each of them. Empty if the pipeline has one sink only. */
  readonly to: readonly (readonly string[])[]
  /** Why a record is not written: `rejected: CODE (stage)`, `dropped: reason`, `duplicate`. */
  readonly remark: string | undefined
}

/**
 * Runs the first records of the source through the transforms, one at a time. Writes nothing and
 * keeps no state. If the source fails, the records before that are yielded first. At the end `seen`
 * gets the matches of the rules.
 */
export async function* previewPipeline(
  pipeline: CheckedPipeline,
  limit: number,
  seen?: (rules: readonly StageRule[]) => void,
): AsyncGenerator<PreviewedRecord, void> {
  const paths = new Paths()
  const stages = await buildStages(pipeline, { paths, hashKey: undefined })
  const router = await routerOf(pipeline, paths)
  const hidden = await openHiddenValues(pipeline)
  const deduplicator = new Deduplicator(memoryDedupKeys())
  const reading = new AbortController()
  let count = 0
  try {
    for await (const batch of readSource(pipeline, paths, reading.signal)) {
      for (let record = 0; record < batch.count; record++) {
        yield await previewRecord({ batch, record, stages, router, deduplicator, paths, pipeline, hidden })
        if (++count === limit) return
      }
      // Lines that are too long are not in the batch.
      for (const skipped of batch.rejects.filter(({ record }) => record < 0)) {
        yield previewReject(skipped)
        if (++count === limit) return
      }
    }
  } finally {
    reading.abort()
    seen?.(ruleMatchesOf(stages))
    for (const stage of stages) await stage.close()
    await hidden.close()
  }
}

/** The batches of a source, before any transform. */
export async function* readSource(pipeline: CheckedPipeline, paths: Paths, stop: AbortSignal): AsyncGenerator<Batch> {
  const { declaration, config, stage } = pipeline.source
  const source = await declaration.create(config, { pipeline: pipeline.name, stage, folder: pipeline.folder })
  const batches = readBatches({
    source,
    type: declaration.type,
    paths,
    limits: pipeline.limits,
    follow: false,
    final: true,
    position: () => undefined,
    note: () => {},
    stop,
    intake: new Intake(),
  })
  for await (const batch of batches) {
    if (batch.end?.kind === 'failed') throw batch.end.error
    yield batch
  }
}

interface PreviewInput {
  readonly batch: Batch
  readonly record: number
  readonly stages: readonly Stage[]
  readonly router: Router
  readonly deduplicator: Deduplicator
  readonly paths: Paths
  readonly pipeline: CheckedPipeline
  readonly hidden: HiddenValues
}

async function previewRecord({
  batch,
  record,
  stages,
  router,
  deduplicator,
  paths,
  pipeline,
  hidden,
}: PreviewInput): Promise<PreviewedRecord> {
  const origin = { name: batch.origin.name, line: batch.lineOf(record) }
  const place = { origin: origin.name, line: origin.line }
  const reject = batch.rejects.find((candidate) => candidate.record === record)
  if (reject) return previewReject(reject)

  const bytes = batch.line(record)
  const before = await hidden.shown(bytes, 0)

  const after: Spelled[] = []
  const to: string[][] = []
  const remarks: string[] = []
  const opened = openBatches({ bytes, origin }, { partition: '', number: 0, paths, limits: pipeline.limits })
  for (const chunk of await throughAll(stages, opened)) {
    router.enter(chunk)
    const { written, rejects, duplicate } = await deduplicator.deduplicate(chunk)
    const shares = router.share(written)
    for (const number of written) {
      after.push(parse(chunk.line(number)))
      if (pipeline.sinks.length > 1) to.push(sinksOf(number, shares))
    }
    for (const one of rejects) remarks.push(describeReject(one))
    for (const reason of chunk.tallies.dropped.keys()) remarks.push(`dropped: ${reason}`)
    if (duplicate > 0) remarks.push('duplicate')
  }
  return { ...place, before, after, to, remark: remarks.length > 0 ? remarks.join(', ') : undefined }
}

function sinksOf(record: number, shares: readonly Share[]): string[] {
  return shares.filter(({ records }) => records.includes(record)).map(({ sink }) => sink)
}

function previewReject(reject: Reject): PreviewedRecord {
  const { origin, line } = reject
  return { origin, line, before: undefined, after: [], to: [], remark: describeReject(reject) }
}

function parse(line: Buffer): Spelled {
  return parseSpelled(line.toString())
}
