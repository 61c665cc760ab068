import { join } from 'node:path'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { hasState, readState } from '../delivery/state/state-reader.ts'
import type { StateReader } from '../delivery/state/state-reader.ts'
import { OTHER_SELECTION, unfinishedRun } from '../delivery/shards/unfinished-run.ts'
import { SluiceError } from '../errors.ts'
import { componentLine, lineOf } from '../observe/messages/line.ts'
import type { Facts, Note } from '../observe/messages/table.ts'
import { plural } from '../observe/report.ts'
import type { Json } from '../record/json/json.ts'
import { createSource } from '../runtime/source-input.ts'
import { chooseWorkers } from '../shards/choose-workers.ts'
import type { WorkerWishes } from '../shards/choose-workers.ts'
import { planShards, sourceDigest } from '../shards/plan.ts'
import type { ReadSelection } from '../shards/plan.ts'
import { estimateTime } from '../shards/estimate.ts'
import { qualifiedName } from '../shards/qualified-parts.ts'
import { PlanShown } from './plan-shown.ts'

interface ShowPlanOptions extends ReadSelection {
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  /** Of the command line. */
  readonly wishes: WorkerWishes
  readonly keepGoing: boolean
  /** Print each shard, and the whole, as a line of JSON. */
  readonly json: boolean
}

/**
 * Prints what a backfill would read, for `--dry-run`: the plan of several workers, or the one that is
 * stored if a backfill is unfinished. Changes nothing.
 * @throws SluiceError SHARDS_UNFINISHED if the backfill of other inputs is unfinished; INPUTS_DAMAGED, or
 *   the only reason, after inputs that cannot be read
 */
export async function showPlan(pipeline: CheckedPipeline, options: ShowPlanOptions): Promise<void> {
  const { stateFolder, wishes, final, keepGoing, json } = options
  const shown = new PlanShown(pipeline.name, json)
  const note: Note = (...message) => shown.note(lineOf(...message))
  const ofSource = (text: string, facts: Facts = {}): void =>
    shown.note(componentLine(text, facts, pipeline.source.stage))
  const { workers, shardBytes } = await chooseWorkers(pipeline, { ...wishes, stateFolder, note })
  const { signal } = new AbortController()
  const end = async (total?: number) => {
    const estimate = await estimateTime(pipeline, shown.left, { workers, final, signal })
    shown.end({ workers, total, estimate, records: recordsOf(pipeline) })
  }
  const { positions, isUnfinished } = await readStored(pipeline, options, shown)
  if (isUnfinished) return end()
  const source = await createSource(pipeline)
  const total = (await source.total?.())?.bytes
  const { type } = pipeline.source.declaration
  const shards = planShards(pipeline, source, {
    position: (partition = '') => pipeline.secrets.unseal(positions.get(qualifiedName(type, partition))),
    inputFailed: ({ input, error }) => {
      if (!keepGoing) throw error
      shown.fail(input, error)
    },
    note: ofSource,
    final,
    signal,
    shardBytes,
  })
  try {
    for await (const shard of shards) shown.add(shard)
  } catch (error) {
    const isStream = error instanceof SluiceError && error.code === 'UNSUPPORTED' && total === undefined
    if (!isStream) throw error
    shown.undivided(error)
    return
  }
  await end(total)
  const [first, ...more] = shown.failures
  if (first !== undefined) {
    throw more.length === 0
      ? first
      : new SluiceError('INPUTS_DAMAGED', `${plural(more.length + 1, 'input')} cannot be read`, {
          hint: 'they are listed above; a backfill would read all others',
        })
  }
}

/** Where the records are in the inputs, if the source has such an option. */
function recordsOf({ source }: CheckedPipeline): string {
  const { records = '$' } = source.config
  return Array.isArray(records) ? records.map(String).join(', ') : String(records)
}

interface Stored {
  readonly positions: ReadonlyMap<string, Json>
  readonly isUnfinished: boolean
}

/** The committed positions; or the plan of a backfill that is unfinished, which is shown. */
async function readStored(pipeline: CheckedPipeline, options: ShowPlanOptions, shown: PlanShown): Promise<Stored> {
  const folder = join(options.stateFolder, pipeline.name)
  if (!hasState(folder)) return { positions: new Map(), isUnfinished: false }
  return readState(folder, (state) => {
    const run = state.shardRun
    if (run === undefined) {
      const rows = state.partitions().map(({ partition, position }) => [partition, position] as const)
      return { positions: new Map(rows), isUnfinished: false }
    }
    if (run.source !== sourceDigest(pipeline, options)) throw unfinishedRun(pipeline.name, run, OTHER_SELECTION)
    addStored(state, shown)
    return { positions: new Map(), isUnfinished: true }
  })
}

function addStored(state: StateReader, shown: PlanShown): void {
  for (const { number, bytes, status } of state.shards()) shown.add({ parts: state.shardParts(number), bytes }, status)
}
