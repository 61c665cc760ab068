import type { ShardResult } from '../delivery/shards/shard.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'
import { WorkSums } from '../observe/bus/work-sums.ts'

type Work = NonNullable<ShardResult['work']>

/** Sums up what an execution publishes in its thread, where nobody else listens. Call `end` in any case. */
export function sumWork(events: RunEvents): { readonly work: () => Work; readonly end: () => void } {
  const work = new WorkSums()
  const stop = listen('sluice:run:work', { run: events.run }, (more) => work.add(more))
  return {
    work: () => work.sums,
    end() {
      events.work.flush()
      stop()
    },
  }
}
