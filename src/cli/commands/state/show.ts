import { ONLY_SINK, REJECTS, sinkNameOf } from '../../../delivery/state/rows.ts'
import type { DedupBucketRow, ObjectCount, ObjectRow, PartitionRow, ReplicaRow } from '../../../delivery/state/rows.ts'
import { ENTRY_BYTES } from '../../../delivery/dedup/dedup-table.ts'
import { isHeld } from '../../../delivery/state/owner-lock.ts'
import { readState } from '../../../delivery/state/state-reader.ts'
import type { StateReader } from '../../../delivery/state/state-reader.ts'
import { sum } from '../../../delivery/tally.ts'
import type { Tally } from '../../../delivery/tally.ts'
import { describePosition } from '../../../inspect/describe-position.ts'
import { print, printJson } from '../../../observe/output.ts'
import { formatBytes, formatCount, formatSpan, plural } from '../../../observe/report.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'
import { DAY } from '../../../time.ts'
import { summarize } from '../runs/summary.ts'
import type { RunSummary } from '../runs/summary.ts'

interface ShowStateArguments {
  pipeline: string
  state: string
  json: boolean
}

export const command: CommandDefinition<ShowStateArguments> = {
  builder: (parser) =>
    parser.positional('pipeline', pipelineArgument).option('state', stateOption).option('json', jsonOption),
  handler: async ({ pipeline, state, json }) => {
    const summary = await summarizeState(stateFolder(pipeline, state))
    if (json) printJson(summary)
    else print(...render(summary))
  },
}

type StateSummary = Awaited<ReturnType<typeof summarizeState>>

async function summarizeState(folder: string) {
  const { owner, partitions, ...summary } = await readState(folder, describe)
  return {
    folder,
    ...summary,
    partitions: await Promise.all(partitions.map(describePartition)),
    running: owner !== undefined && (await isHeld(folder, owner)) ? owner.pid : undefined,
  }
}

function describe(state: StateReader) {
  const { meta } = state
  return {
    pipeline: meta?.pipeline,
    generation: meta?.generation,
    ...(meta?.replica && { replica: meta.replica }),
    ...(meta?.exported && { exported: new Date(meta.exported.at).toISOString() }),
    owner: state.owner,
    epochs: state.nextEpoch - 1,
    ...(state.committedAt !== undefined && { lastCommit: new Date(state.committedAt).toISOString() }),
    totals: state.tally,
    published: countAll(state),
    sinks: describeSinks(state),
    unpublished: state.objects().map((row) => {
      const { key, records, bytes, role } = row
      return { key, role, sink: sinkNameOf(row), records, bytes }
    }),
    partitions: state.partitions(),
    backfill: summarize(state),
    stores: state.stores(),
    changes: state.changes().map(({ at, action, what }) => ({ at: new Date(at).toISOString(), action, what })),
    dedup: state.dedupBuckets().map(describeBucket),
  }
}

/** What each sink has got over the life of the state. Also of sinks that the pipeline no longer has. */
function describeSinks(state: StateReader) {
  const [published, unpublished] = [countObjects(state.historyRows()), countObjects(state.objects())]
  for (const [name, forgotten] of Object.entries(state.forgotten.sinks)) add(published, name, forgotten)
  const lines = Object.entries(state.tally.sinks).map(([name, records]) => {
    const [there, waiting] = [published.get(name) ?? NO_OBJECTS, unpublished.get(name) ?? NO_OBJECTS]
    return [name, { records, published: there, unpublished: waiting }] as const
  })
  return Object.fromEntries(lines)
}

const NO_OBJECTS = { objects: 0, records: 0, bytes: 0 }

/** Objects by the name of their sink, and what is in them. */
function countObjects(
  rows: Iterable<Pick<ObjectRow, 'role' | 'sink' | 'records' | 'bytes'>>,
): Map<string, ObjectCount> {
  const counts = new Map<string, ObjectCount>()
  for (const row of rows) add(counts, sinkNameOf(row), { objects: 1, records: row.records, bytes: row.bytes })
  return counts
}

function add(counts: Map<string, ObjectCount>, name: string, { objects, records, bytes }: ObjectCount): void {
  const count = counts.get(name) ?? NO_OBJECTS
  counts.set(name, {
    objects: count.objects + objects,
    records: count.records + records,
    bytes: count.bytes + bytes,
  })
}

function countAll(state: StateReader): number {
  let objects = Object.values(state.forgotten.sinks).reduce((all, count) => all + count.objects, 0)
  for (const _row of state.historyRows()) objects++
  return objects
}

async function describePartition({ partition, position, lowWatermark }: PartitionRow) {
  const { readUpTo, detail } = await describePosition(partition, position)
  return {
    partition,
    position,
    ...(readUpTo !== undefined && { readUpTo: new Date(readUpTo).toISOString() }),
    ...(detail && { detail }),
    ...(lowWatermark !== undefined && { lowWatermark: new Date(lowWatermark).toISOString() }),
  }
}

function describeBucket({ name, length, permanent }: DedupBucketRow) {
  return { bucket: bucketName(name), keys: length / ENTRY_BYTES, bytes: length, ...(permanent && { permanent }) }
}

/**
 * The day of a dedup bucket: of event time, or of the source's progress for records without a
 * usable time.
 */
function bucketName(name: string): string {
  if (name === 'p') return 'without a time'
  const day = new Date(Number(name.slice(1)) * DAY).toISOString().slice(0, 10)
  return name.startsWith('d') ? day : `without a time, read at ${day}`
}

function render(summary: StateSummary): string[] {
  const { pipeline, folder, generation, running, epochs, lastCommit, totals } = summary
  const { published, sinks, unpublished, partitions, backfill, stores, dedup, changes, replica, exported } = summary
  const keys = dedup.reduce((all, bucket) => all + bucket.keys, 0)
  const bytes = dedup.reduce((all, bucket) => all + bucket.bytes, 0)
  return [
    `${pipeline}: ${folder}`,
    `  generation  ${generation}`,
    ...(replica ? [`  replica     ${describeReplica(replica)}`] : []),
    ...(exported === undefined ? [] : [`  exported    ${exported}, to be used elsewhere`]),
    `  owner       ${running === undefined ? 'none' : `process ${running}`}`,
    `  epochs      ${formatCount(epochs)}`,
    `  last commit ${lastCommit === undefined ? 'none' : `${lastCommit}, ${ago(lastCommit)} ago`}`,
    `  records     ${describeTally(totals)}`,
    `  objects     ${formatCount(published)} published, ${formatCount(unpublished.length)} waiting for upload`,
    ...renderSinks(sinks),
    ...unpublished.map((row) => {
      const sink = row.sink === ONLY_SINK || row.sink === REJECTS ? '' : `, for ${row.sink}`
      return `              ${row.key} (${plural(row.records, 'record')}, ${formatBytes(row.bytes)}${sink})`
    }),
    ...(backfill ? [`  backfill    unfinished: ${describeBackfill(backfill)}`] : []),
    `  positions   ${partitions.length > 0 ? partitions.length : backfill ? 'none yet' : NO_POSITIONS}`,
    ...partitions.map((row) => `              ${row.partition} ${renderPosition(row)}`),
    ...stores.map(({ name, refusesOverwrite }) => `  store       ${name}: ${describeProbe(refusesOverwrite)}`),
    ...changes.map(({ at, action, what }) => `  changed     ${at} ${action}: ${what}`),
    `  dedup       ${plural(keys, 'key')} in ${plural(dedup.length, 'dedup bucket')}, ${formatBytes(bytes)}`,
    ...dedup.map((bucket) => {
      const permanent = bucket.permanent ? ', permanent' : ''
      return `              ${bucket.bucket}: ${plural(bucket.keys, 'key')}, ${formatBytes(bucket.bytes)}${permanent}`
    }),
  ]
}

function renderSinks(sinks: StateSummary['sinks']): string[] {
  if (Object.keys(sinks).every((name) => name === ONLY_SINK)) return []
  return Object.entries(sinks).map(([name, { records, published, unpublished }]) => {
    const objects = `${formatCount(published.objects)} objects published, ${formatCount(unpublished.objects)} waiting`
    return `  sink        ${name}: ${plural(records, 'record')}, ${objects}`
  })
}

const NO_POSITIONS = 'none: the next run reads from the beginning'

function describeBackfill({ pipeline, shards, done, failed }: RunSummary): string {
  const failures = failed.length > 0 ? `, ${failed.length} failed` : ''
  return `${formatCount(done)} of ${plural(shards, 'shard')} committed${failures}; see \`sluice runs show ${pipeline}\``
}

function describeReplica({ number, count, was = count, awaits = [] }: ReplicaRow): string {
  if (number > count) return `${number}/${was}, removed: its tenants were exported for ${plural(count, 'replica')}`
  if (awaits.length === 0) return `${number}/${count}`
  return `${number}/${count}, waits for the export of ${awaits.map((sender) => `${sender}/${was}`).join(', ')}`
}

function renderPosition({ position, readUpTo, detail }: StateSummary['partitions'][number]): string {
  const parts = [
    ...(readUpTo === undefined ? [] : [`read up to ${readUpTo}, behind by ${ago(readUpTo)}`]),
    ...(detail === undefined ? [] : [detail]),
  ]
  if (parts.length > 0) return parts.join('; ')
  const text = JSON.stringify(position)
  return text.length <= MAX_POSITION ? text : `${text.slice(0, MAX_POSITION)}… (--json shows all of it)`
}

/** Characters of the position of a custom source. */
const MAX_POSITION = 200

function ago(time: string): string {
  return formatSpan(Date.now() - Date.parse(time))
}

function describeProbe(refusesOverwrite: boolean | undefined): string {
  if (refusesOverwrite === undefined) return 'could not be asked whether it honours If-None-Match'
  return refusesOverwrite ? 'honours If-None-Match' : 'IGNORES If-None-Match, so a retried upload overwrites its object'
}

function describeTally({ read, added, written, duplicate, rejected, dropped }: Tally): string {
  const counts = { read, added, written, duplicate, dropped: sum(dropped), rejected }
  return Object.entries(counts)
    .map(([name, records]) => `${name} ${formatCount(records)}`)
    .join(', ')
}
