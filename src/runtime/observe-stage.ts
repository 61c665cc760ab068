import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Batch } from '../record/batch.ts'

/** The part of a stage that is observed. */
interface Passing {
  readonly name: string
  readonly type: string
  run(batch: Batch): Batch[] | Promise<Batch[]>
}

/** A stage that says what passes it, if somebody listens. */
export function observeStage<Observed extends Passing>(stage: Observed, position: number, events: RunEvents): Observed {
  const run: Passing['run'] = (batch) => {
    const isSummed = events.work.isWanted
    if (batch.count === 0 || !(isSummed || events.wants('sluice:stage:batch'))) return stage.run(batch)
    const before = countsOf([batch])
    const started = performance.now()
    const publish = (made: Batch[]): Batch[] => {
      const milliseconds = performance.now() - started
      const after = countsOf(made)
      const added = after.added - before.added
      const rejected = after.rejected - before.rejected
      const work = {
        stage: stage.name,
        position,
        recordsIn: before.live,
        recordsOut: after.live,
        added,
        rejected,
        // What a batch has read and added is live, dropped or rejected at every stage border.
        dropped: before.live + added - after.live - rejected,
        bytesIn: before.bytes,
        bytesOut: after.bytes,
        milliseconds,
      }
      if (isSummed) events.work.sums.passed(work)
      if (events.wants('sluice:stage:batch'))
        events.publish('sluice:stage:batch', { ...work, type: stage.type, partition: batch.partition })
      return made
    }
    const made = stage.run(batch)
    return made instanceof Promise ? made.then(publish) : publish(made)
  }
  return { ...stage, run }
}

function countsOf(batches: readonly Batch[]) {
  const total = { live: 0, added: 0, rejected: 0, bytes: 0 }
  for (const { live, tallies, rejects, bytes } of batches) {
    total.live += live
    total.added += tallies.added
    total.rejected += rejects.length
    total.bytes += bytes.length
  }
  return total
}
