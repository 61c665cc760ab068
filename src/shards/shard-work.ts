import type { ShardResult } from '../delivery/shards/shard.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'
import { WorkSums } from '../observe/bus/work-sums.ts'

type Work = NonNullable<ShardResult['work']>

/** Sums up what an execution publishes in its thread, where nobody else listens. Call `end` in any case. */
export function sumWork({ run }: RunEvents): { readonly work: () => Work; readonly end: () => void } {
  const work = new WorkSums()
  const stops = [
    listen('sluice:source:chunk', { run }, (chunk) => work.chunkRead(chunk)),
    listen('sluice:stage:batch', { run }, (batch) => work.batchPassed(batch)),
    listen('sluice:delivery:batch', { run }, (batch) => work.delivered(batch)),
  ]
  return {
    work: () => work.sums,
    end: () => {
      for (const stop of stops) stop()
    },
  }
}
