import type { CheckedPipeline } from '../config/pipeline.ts'
import { memoryDedupKeys, Deduplicator } from '../delivery/dedup/deduplicate.ts'
import type { Batch } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import type { Json } from '../record/json/json.ts'
import { Paths } from '../record/paths/path.ts'
import { startFlow } from '../observe/progress.ts'
import { readBatches } from '../runtime/source-stage.ts'
import { buildStages, throughAll, type Stage } from '../runtime/transform-stages.ts'
import { isList, isObject } from '../record/json/json.ts'

export interface PreviewedRecord {
  readonly origin: string
  readonly line: number
  /**
   * The record as read, with all values hidden that redaction changes. Undefined if the line does
   * not parse.
   */
  readonly before: Json | undefined
  /** The records that would be written: none, one or several. */
  readonly after: readonly Json[]
  /** Why a record is not written: `rejected: CODE (stage)`, `dropped: reason`, `duplicate`. */
  readonly remark: string | undefined
}

/** Replaces values that must not be shown. */
const HIDDEN = '(hidden)'

/**
 * Runs the first records of the source through the transforms, one at a time. Writes nothing and
 * keeps no state.
 */
export async function previewPipeline(pipeline: CheckedPipeline, limit: number): Promise<PreviewedRecord[]> {
  const paths = new Paths()
  const stages = await buildStages(pipeline, { paths, hashKey: undefined })
  const deduplicator = new Deduplicator(memoryDedupKeys())
  const previewed: PreviewedRecord[] = []
  const reading = new AbortController()
  try {
    for await (const batch of readSource(pipeline, paths, reading.signal)) {
      for (let record = 0; record < batch.count && previewed.length < limit; record++) {
        previewed.push(await previewRecord({ batch, record, stages, deduplicator, paths, pipeline }))
      }
      if (previewed.length === limit) break
    }
  } finally {
    reading.abort()
    for (const stage of stages) await stage.close()
  }
  return previewed
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
    flow: startFlow(),
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
  readonly deduplicator: Deduplicator
  readonly paths: Paths
  readonly pipeline: CheckedPipeline
}

async function previewRecord({
  batch,
  record,
  stages,
  deduplicator,
  paths,
  pipeline,
}: PreviewInput): Promise<PreviewedRecord> {
  const origin = { name: batch.origin.name, line: batch.lineOf(record) }
  const place = { origin: origin.name, line: origin.line }
  const reject = batch.rejects.find((candidate) => candidate.record === record)
  if (reject) return { ...place, before: undefined, after: [], remark: `rejected: ${reject.code} (${reject.stage})` }

  const bytes = batch.line(record)
  const open = () => openBatches({ bytes, origin }, { partition: '', number: 0, paths, limits: pipeline.limits })
  const redactions = stages.filter(({ type }) => type === 'redact')
  const [redacted] = await throughAll(redactions, open())
  const before = hide(parse(bytes), parse(redacted.line(0)))

  const after: Json[] = []
  const remarks: string[] = []
  for (const chunk of await throughAll(stages, open())) {
    const { written, rejects, duplicate } = await deduplicator.deduplicate(chunk)
    for (const number of written) after.push(parse(chunk.line(number)))
    for (const { code, stage, detail } of rejects)
      remarks.push(`rejected: ${code} (${stage})${detail ? ` ${detail}` : ''}`)
    for (const reason of chunk.tallies.dropped.keys()) remarks.push(`dropped: ${reason}`)
    if (duplicate > 0) remarks.push('duplicate')
  }
  return { ...place, before, after, remark: remarks.length > 0 ? remarks.join(', ') : undefined }
}

function parse(line: Buffer): Json {
  return JSON.parse(line.toString())
}

/** Hides each leaf that redaction changes or removes. */
function hide(value: Json, redacted: Json | undefined): Json {
  if (isList(value)) {
    const others = isList(redacted) ? redacted : []
    return value.map((item, at) => hide(item, others[at]))
  }
  if (isObject(value)) {
    const others = isObject(redacted) ? redacted : {}
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, hide(member, others[key])]))
  }
  return Object.is(value, redacted) ? value : HIDDEN
}
