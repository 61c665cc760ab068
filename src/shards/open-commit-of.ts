import { join } from 'node:path'
import type { Source } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import type { ControlRequests } from '../delivery/control/control-requests.ts'
import { openShardCommit } from '../delivery/shards/open-shard-commit.ts'
import type { ShardCommit } from '../delivery/shards/shard-commit.ts'
import type { ShardCommitOptions } from '../delivery/shards/shard-commit-options.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { Paths } from '../record/paths/path.ts'
import { commitOptions } from '../runtime/open-delivery.ts'
import { unqualifiedParts } from './qualified-parts.ts'

interface OpenOptions extends Pick<ShardCommitOptions, 'discard' | 'observe' | 'ending' | 'sweeps'> {
  readonly pipeline: CheckedPipeline
  readonly source: Source
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly stop: AbortSignal
  readonly events: RunEvents
  readonly control?: ControlRequests | undefined
}

/** Opens the state of a pipeline for a parallel backfill. @throws SluiceError see `openShardCommit` */
export async function openCommitOf(options: OpenOptions): Promise<ShardCommit> {
  const { pipeline, source, stateFolder, stop, events, control, discard, observe, ending, sweeps = false } = options
  const { type } = pipeline.source.declaration
  const commit = await commitOptions({
    pipeline,
    paths: new Paths(),
    stateFolder: join(stateFolder, pipeline.name),
    stopping: stop,
    events,
    control,
    note: events.note,
    keepsBatches: false,
  })
  return openShardCommit({
    ...commit,
    ...(source.positionAfter && { positionAfter: (parts) => source.positionAfter?.(unqualifiedParts(type, parts)) }),
    discard,
    observe,
    ending,
    sweeps,
  })
}
