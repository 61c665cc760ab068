import type { RunEvents } from '../../observe/bus/run-events.ts'
import type { Log } from '../../observe/log.ts'
import { listenLines } from '../../observe/log-lines.ts'
import { showProgress } from '../../observe/progress.ts'
import { showShards } from '../../shards/show-shards.ts'

/**
 * Shows what a run publishes: its log lines, and its progress unless the live view shows it. Returns a
 * function that ends it.
 */
export function showRun(events: RunEvents, log: Log): () => void {
  const isBrief = log.live && log.level === 'info'
  const stops = [
    listenLines(events, log.level, (line, of) => {
      if (!(isBrief && SHOWN_OTHERWISE.has(line.code))) log.line(line, of)
    }),
    ...(log.live ? [] : [showProgress(events, log), showShards(events, log)]),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** The live view and the end of the command show them, and there may be many in a second. */
const SHOWN_OTHERWISE: ReadonlySet<string> = new Set([
  'run.started',
  'run.ended',
  'run.failed',
  'object.published',
  'shard.committed',
])
