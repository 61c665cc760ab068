import type { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'
import type { Log } from '../observe/log.ts'
import { showProgress } from '../observe/progress.ts'
import { showShards } from '../shards/show-shards.ts'

/** Shows what a run publishes: its log lines and its progress. Returns a function that ends it. */
export function showRun(events: RunEvents, log: Log): () => void {
  const stops = [
    listen('sluice:run:note', { run: events.run }, ({ message, facts }) => log.note(message, facts)),
    showProgress(events, log),
    showShards(events, log),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
