import type { CheckedPipeline } from '../config/pipeline.ts'
import type { Note } from '../observe/messages/table.ts'
import { readVersion } from '../package.ts'
import type { ExecutorContext } from '../shards/coordinate.ts'
import type { Executor } from '../shards/executor.ts'
import type { Job } from '../shards/job.ts'
import type { Connection } from './connection.ts'
import { QueueExecutor } from './executor.ts'
import { PROTOCOL } from './protocol.ts'
import type { RunContent } from './protocol.ts'
import type { Seal } from './seal.ts'
import { closeAll, discardStaged, openStagingSinks } from './shard-runner.ts'

interface Options {
  readonly connection: Connection
  readonly seal: Seal
  readonly pipeline: CheckedPipeline
  readonly job: Job
  readonly note: Note
}

/** Opens the executor of a run whose shards other machines execute. */
export async function openQueueExecutor(context: ExecutorContext, options: Options): Promise<Executor> {
  const { connection, seal, pipeline, job, note } = options
  const sinks = await openStagingSinks(pipeline)
  const content: RunContent = {
    job,
    fingerprint: context.fingerprint,
    hashKey: context.hashKey.toString('base64'),
    generation: context.generation,
  }
  return new QueueExecutor({
    connection,
    seal,
    run: context.run.id,
    pipeline: pipeline.name,
    head: { protocol: PROTOCOL, version: readVersion(), content },
    note,
    discardStaged: ({ objects }) => discardStaged(sinks, objects),
    closed: () => closeAll(sinks),
  })
}
