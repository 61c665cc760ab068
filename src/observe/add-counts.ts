import type { Report, StageCounts } from './report.ts'

interface Counts {
  readonly [name: string]: number
}

/** The sums of counts by name, such as rejects by code. Names are free text, and `__proto__` is one. */
export function addCounts(one: Counts, other: Counts): Counts {
  const sum = new Map(Object.entries(one))
  for (const [name, count] of Object.entries(other)) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}

/** The same for what stages have counted. */
export function addStageCounts(some: readonly StageCounts[], others: readonly StageCounts[]): StageCounts[] {
  const sums = new Map<string, Counts>()
  for (const { stage, counts } of [...some, ...others]) sums.set(stage, addCounts(sums.get(stage) ?? {}, counts))
  return [...sums].map(([stage, counts]) => ({ stage, counts }))
}

/** The same for the matches of rules. */
export function addRules(some: Report['rules'], others: Report['rules']): Report['rules'] {
  const sums = new Map<string, Report['rules'][number]>()
  for (const one of [...some, ...others]) {
    const id = JSON.stringify([one.stage, one.rule])
    sums.set(id, { ...one, matches: (sums.get(id)?.matches ?? 0) + one.matches })
  }
  return [...sums.values()]
}
