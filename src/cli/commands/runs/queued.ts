import { plural } from '../../../observe/report.ts'
import type { QueueContent, QueuedRun } from '../../../queue/inspect.ts'
import { oneLine } from './summary.ts'
import type { RunSummary } from './summary.ts'

/** The runs of the states, what the queue has of them, its other runs, and its workers. */
export function renderRuns(runs: readonly RunSummary[], queue: QueueContent | undefined): string[] {
  const own = new Set(runs.map(({ id }) => id))
  const others = (queue?.runs ?? []).filter(({ run }) => !own.has(run))
  const lines = runs.flatMap((run) => {
    const queued = queue?.runs.find((one) => one.run === run.id)
    return [oneLine(run), ...(queued ? [`  ${describeQueued(queued)}`] : [])]
  })
  lines.push(...others.map((one) => `${one.pipeline}  of another state, run ${one.run}  ${describeQueued(one)}`))
  if (lines.length === 0) lines.push('no unfinished parallel backfill')
  return [...lines, ...describeWorkers(queue)]
}

/** What the queue has of a run, line by line, and its workers. */
export function renderQueued({ id }: RunSummary, queue: QueueContent | undefined): string[] {
  const queued = queue?.runs.find((one) => one.run === id)
  return [
    ...(queued ? [`  ${describeQueued(queued)}`] : []),
    ...(queued?.executing ?? []).map(({ shard, worker }) => `  shard ${shard} is executed by ${worker}`),
    ...(queued?.refusals ?? []).map(({ worker, code, message }) => `  refused by ${worker}: ${code}: ${message}`),
    ...describeWorkers(queue),
  ]
}

function describeQueued({ waiting, executing, results, refusals }: QueuedRun): string {
  return [
    `in the queue: ${plural(waiting, 'shard')} waiting`,
    `${executing.length} executing`,
    `${plural(results, 'result')} to commit`,
    ...(refusals.length === 0 ? [] : [`refused by ${plural(refusals.length, 'worker')}`]),
  ].join(', ')
}

function describeWorkers(queue: QueueContent | undefined): string[] {
  if (queue === undefined) return []
  if (queue.workers.length === 0) return ['no worker is in the queue']
  return queue.workers.map((worker) => {
    if ('hasOtherKey' in worker) return `worker ${worker.id}  has another SLUICE_QUEUE_KEY`
    const draining = worker.isDraining ? ', draining' : ''
    return `worker ${worker.id}  ${worker.running} of ${plural(worker.concurrency, 'shard')} executing${draining}`
  })
}
