import type { EpochCommit, StateOpen } from '../bus/events.ts'

type Totals = StateOpen['totals']
type Counts = { readonly [name: string]: number }

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
      dropped: sumOf(before.dropped, commit.dropped),
      rejects: sumOf(before.rejects, commit.rejects),
      late: sumOf(before.late, commit.late),
      sinks: sumOf(before.sinks, sinks),
    }
  }
}

function sumOf(one: Counts, other: Counts): Counts {
  const sum = new Map(Object.entries(one))
  for (const [name, count] of Object.entries(other)) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}
