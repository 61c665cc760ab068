import { addCounts } from '../add-counts.ts'
import type { EpochCommit, StateOpen } from '../bus/events.ts'

type Totals = StateOpen['totals']

/** The counts of a state: those of `sluice:state:open`, and of each commit since. */
export class CommittedCounts {
  #totals: Totals | undefined

  /** Undefined before the state is open; a stream sink has none. */
  get totals(): Totals | undefined {
    return this.#totals
  }

  open({ totals }: StateOpen): void {
    this.#totals = totals
  }

  add(commit: EpochCommit): void {
    const before = this.#totals
    if (before === undefined) return
    const sinks = Object.fromEntries(Object.entries(commit.sinks).map(([sink, { records }]) => [sink, records]))
    this.#totals = {
      read: before.read + commit.read,
      added: before.added + commit.added,
      written: before.written + commit.written,
      duplicate: before.duplicate + commit.duplicate,
      duplicateDiffers: before.duplicateDiffers + commit.duplicateDiffers,
      rejected: before.rejected + commit.rejected,
      dropped: addCounts(before.dropped, commit.dropped),
      rejects: addCounts(before.rejects, commit.rejects),
      late: addCounts(before.late, commit.late),
      sinks: addCounts(before.sinks, sinks),
    }
  }
}
