import { ONLY_SINK } from './state/rows.ts'

/** Counts of the records of an epoch or a run, by outcome. */
export interface Tally {
  read: number
  added: number
  /** A record that several sinks get counts once. */
  written: number
  /** Records that each sink gets, by its name. */
  sinks: Counts
  duplicate: number
  /** Duplicates whose content differs from the record that was written. */
  duplicateDiffers: number
  rejected: number
  /** Dropped on purpose, by reason. */
  dropped: Counts
  /** Rejected records by code. */
  rejects: Counts
  /** Written records that arrived late, by delay; see `countLateArrivals`. */
  late: Counts
}

export interface Counts {
  [name: string]: number
}

export function emptyTally(): Tally {
  return {
    read: 0,
    added: 0,
    written: 0,
    sinks: emptyCounts(),
    duplicate: 0,
    duplicateDiffers: 0,
    rejected: 0,
    dropped: emptyCounts(),
    rejects: emptyCounts(),
    late: emptyCounts(),
  }
}

export function addTally(one: Tally, other: Tally): Tally {
  return {
    read: one.read + other.read,
    added: one.added + other.added,
    written: one.written + other.written,
    sinks: addCounts(one.sinks, other.sinks),
    duplicate: one.duplicate + other.duplicate,
    duplicateDiffers: one.duplicateDiffers + other.duplicateDiffers,
    rejected: one.rejected + other.rejected,
    dropped: addCounts(one.dropped, other.dropped),
    rejects: addCounts(one.rejects, other.rejects),
    late: addCounts(one.late, other.late),
  }
}

export function count(counts: Counts, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by
}

export function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, value) => total + value, 0)
}

/** Without a prototype: names are free text, and `__proto__` is a valid name. */
function emptyCounts(): Counts {
  const counts: Counts = Object.create(null)
  return counts
}

/**
 * A tally as it was stored. Counts that were introduced later are 0; when a pipeline had one sink only, it
 * got every written record.
 */
export function withSinks(stored: Omit<Tally, 'sinks'> & Partial<Pick<Tally, 'sinks'>>): Tally {
  if (stored.sinks) return { ...emptyTally(), ...stored, sinks: addCounts(stored.sinks, {}) }
  const sinks = emptyCounts()
  if (stored.written > 0) sinks[ONLY_SINK] = stored.written
  return { ...emptyTally(), ...stored, sinks }
}

/** A tally that an earlier version stored may lack counts that were introduced later. */
function addCounts(one: Counts | undefined, other: Counts): Counts {
  const all = emptyCounts()
  for (const counts of [one ?? {}, other]) for (const [name, value] of Object.entries(counts)) count(all, name, value)
  return all
}
