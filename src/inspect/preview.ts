import { isCustom } from '../config/component-name.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { memoryDedupKeys, Deduplicator } from '../delivery/dedup/deduplicate.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch, Reject } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import { isMap, parseSpelled } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
import { Paths } from '../record/paths/path.ts'
import { describeReject } from './describe-reject.ts'
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

/** Replaces values that must not be shown. */
const HIDDEN = '"(hidden)"'

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
  const deduplicator = new Deduplicator(memoryDedupKeys())
  const reading = new AbortController()
  let count = 0
  try {
    for await (const batch of readSource(pipeline, paths, reading.signal)) {
      for (let record = 0; record < batch.count; record++) {
        yield await previewRecord({ batch, record, stages, router, deduplicator, paths, pipeline })
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
  }
}

async function* readSource(pipeline: CheckedPipeline, paths: Paths, stop: AbortSignal): AsyncGenerator<Batch> {
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
}

async function previewRecord({
  batch,
  record,
  stages,
  router,
  deduplicator,
  paths,
  pipeline,
}: PreviewInput): Promise<PreviewedRecord> {
  const origin = { name: batch.origin.name, line: batch.lineOf(record) }
  const place = { origin: origin.name, line: origin.line }
  const reject = batch.rejects.find((candidate) => candidate.record === record)
  if (reject) return previewReject(reject)

  const bytes = batch.line(record)
  const open = () => openBatches({ bytes, origin }, { partition: '', number: 0, paths, limits: pipeline.limits })
  const redactions = stages.filter(({ type }) => type === 'redact')
  const [redacted] = await throughAll(redactions, open())
  const known = hide(parse(bytes), parse(redacted.line(0)))
  const moved = stagesThatMoveBeforeRedaction(pipeline, stages)
  const before = moved.length === 0 ? known : hideAllBut(leavesOf(await throughAll(moved, open())), known)

  const after: Spelled[] = []
  const to: string[][] = []
  const remarks: string[] = []
  for (const chunk of await throughAll(stages, open())) {
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

/**
 * The stages up to the last redaction, if one before it gives values another place: a rule for the new
 * name does not find the value under its old one.
 */
function stagesThatMoveBeforeRedaction({ transforms }: CheckedPipeline, stages: readonly Stage[]): readonly Stage[] {
  const last = stages.findLastIndex(({ type }) => type === 'redact')
  const moves = transforms
    .slice(0, Math.max(0, last))
    .some(
      ({ declaration, config }) =>
        isCustom(declaration.type) ||
        declaration.code !== undefined ||
        (declaration.shape?.(config).writes ?? []).some(({ from }) => from.length > 0),
    )
  return moves ? stages.slice(0, last + 1) : []
}

/** The spellings of all values in the live records of batches. */
function leavesOf(batches: readonly Batch[]): ReadonlySet<string> {
  const leaves = new Set<string>()
  const add = (value: Spelled): void => {
    if (typeof value === 'string') leaves.add(value)
    else for (const member of isMap(value) ? value.values() : value) add(member)
  }
  for (const batch of batches) {
    for (let record = 0; record < batch.count; record++)
      if (batch.states[record] === RecordState.live) add(parse(batch.line(record)))
  }
  return leaves
}

function hideAllBut(shown: ReadonlySet<string>, value: Spelled): Spelled {
  if (typeof value === 'string') return shown.has(value) ? value : HIDDEN
  if (!isMap(value)) return value.map((item) => hideAllBut(shown, item))
  return new Map([...value].map(([key, member]) => [key, hideAllBut(shown, member)]))
}

function previewReject(reject: Reject): PreviewedRecord {
  const { origin, line } = reject
  return { origin, line, before: undefined, after: [], to: [], remark: describeReject(reject) }
}

function parse(line: Buffer): Spelled {
  return parseSpelled(line.toString())
}

/** Hides each leaf that redaction changes or removes. */
function hide(value: Spelled, redacted: Spelled | undefined): Spelled {
  if (typeof value === 'string') return value === redacted ? value : HIDDEN
  if (!isMap(value)) {
    const others = redacted === undefined || typeof redacted === 'string' || isMap(redacted) ? [] : redacted
    return value.map((item, at) => hide(item, others[at]))
  }
  const others = redacted !== undefined && typeof redacted !== 'string' && isMap(redacted) ? redacted : new Map()
  return new Map([...value].map(([key, member]) => [key, hide(member, others.get(key))]))
}
