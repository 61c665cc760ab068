import type { CommandModule } from 'yargs'
import type { DedupBucketRow } from '../../../delivery/state/rows.ts'
import { ENTRY_BYTES } from '../../../delivery/dedup/dedup-table.ts'
import { isHeld } from '../../../delivery/state/owner-lock.ts'
import { readState } from '../../../delivery/state/state-reader.ts'
import type { StateReader } from '../../../delivery/state/state-reader.ts'
import { sum } from '../../../delivery/tally.ts'
import type { Tally } from '../../../delivery/tally.ts'
import { formatBytes, formatCount } from '../../../observe/report.ts'
import { stateFolder, stateOption } from '../../state-folder.ts'
import { DAY } from '../../../time.ts'

interface ShowStateArguments {
  pipeline: string
  state: string
  json: boolean
}

export const command: CommandModule<object, ShowStateArguments> = {
  command: 'show <pipeline>',
  describe: 'Show positions, totals, unpublished objects and the keys that are known; also while it runs',
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', demandOption: true, describe: 'Name or path' })
      .option('state', stateOption)
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
  handler: async ({ pipeline, state, json }) => {
    const facts = await look(stateFolder(pipeline, state))
    process.stdout.write(json ? `${JSON.stringify(facts, null, 2)}\n` : render(facts))
  },
}

type StateSummary = Awaited<ReturnType<typeof look>>

async function look(folder: string) {
  const { owner, ...facts } = await readState(folder, describe)
  return { folder, ...facts, running: owner !== undefined && (await isHeld(owner)) ? owner.pid : undefined }
}

function describe(state: StateReader) {
  const { meta } = state
  return {
    pipeline: meta?.pipeline,
    generation: meta?.generation,
    owner: state.owner,
    epochs: state.nextEpoch - 1,
    totals: state.tally,
    published: state.history().length,
    unpublished: state.objects().map(({ key, records, bytes, role }) => ({ key, role, records, bytes })),
    partitions: state.partitions().map(({ partition, position, lowWatermark }) => ({
      partition,
      position,
      ...(lowWatermark !== undefined && { lowWatermark: new Date(lowWatermark).toISOString() }),
    })),
    stores: state.stores(),
    dedup: state.dedupBuckets().map(describeBucket),
  }
}

function describeBucket({ name, length, permanent }: DedupBucketRow) {
  return { bucket: bucketName(name), keys: length / ENTRY_BYTES, bytes: length, ...(permanent && { permanent }) }
}

/** A day of event time, or of the source's progress for records without a usable time. */
function bucketName(name: string): string {
  if (name === 'p') return 'without a time'
  const day = new Date(Number(name.slice(1)) * DAY).toISOString().slice(0, 10)
  return name.startsWith('d') ? day : `without a time, read at ${day}`
}

function render(facts: StateSummary): string {
  const { pipeline, folder, generation, running, epochs, totals, published, unpublished, partitions, stores, dedup } =
    facts
  const keys = dedup.reduce((all, bucket) => all + bucket.keys, 0)
  const bytes = dedup.reduce((all, bucket) => all + bucket.bytes, 0)
  const lines = [
    `${pipeline}: ${folder}`,
    `  generation  ${generation}`,
    `  owner       ${running === undefined ? 'none: nobody works on it' : `process ${running}`}`,
    `  epochs      ${formatCount(epochs)}`,
    `  records     ${describeTally(totals)}`,
    `  objects     ${formatCount(published)} published, ${formatCount(unpublished.length)} waiting`,
    ...unpublished.map(
      (row) => `              ${row.key} (${formatCount(row.records)} records, ${formatBytes(row.bytes)})`,
    ),
    `  positions   ${partitions.length === 0 ? 'none: the source is read from its beginning' : partitions.length}`,
    ...partitions.map(({ partition, position }) => `              ${partition} ${JSON.stringify(position)}`),
    ...stores.map(({ name, refusesOverwrite }) => {
      return `  store       ${name}: ${refusesOverwrite ? 'refuses' : 'IGNORES If-None-Match and replaces'} an object that is there`
    }),
    `  dedup       ${formatCount(keys)} keys in ${dedup.length} buckets, ${formatBytes(bytes)}`,
    ...dedup.map((bucket) => {
      const kept = bucket.permanent ? ', never forgotten' : ''
      return `              ${bucket.bucket}: ${formatCount(bucket.keys)} keys, ${formatBytes(bucket.bytes)}${kept}`
    }),
  ]
  return `${lines.join('\n')}\n`
}

function describeTally({ read, added, written, duplicate, rejected, dropped }: Tally): string {
  const counts = { read, added, written, duplicate, dropped: sum(dropped), rejected }
  return Object.entries(counts)
    .map(([name, records]) => `${name} ${formatCount(records)}`)
    .join(', ')
}
