import { daysOf, expecting, lines, pages } from './workload.ts'
import type { PagePart, ShardPlan, Workload } from './workload.ts'

const part = (partition: string, from: number, to: number): PagePart => ({ partition, from, to })

const OVERLAPPING: ShardPlan = {
  stagedAt: 'outbox',
  before: new Map([['live', daysOf('a', 3).slice(1)]]),
  shards: [
    [part('a', 0, 2)],
    [part('a', 2, 4)],
    [part('a', 4, 6), part('b', 0, 2)],
    [part('b', 2, 3), part('b', 3, 5)],
    [part('copy of a', 0, 3)],
    [part('copy of a', 3, 5)],
  ],
}

/** Archives that overlap each other and what was collected before, in shards. */
export const archives: Workload = expecting({
  ...pages,
  name: 'shards of overlapping archives',
  partitions: new Map([
    ['a', daysOf('a', 6)],
    ['b', daysOf('b', 5)],
    ['copy of a', daysOf('a', 5)],
  ]),
  shards: OVERLAPPING,
})

/** The same on other machines: what they make is staged at the store. */
export const stagedArchives: Workload = {
  ...archives,
  name: 'staged shards of overlapping archives',
  shards: { ...OVERLAPPING, stagedAt: 'store' },
}

/** The same with two sinks and routes. */
export const routedArchives: Workload = expecting({
  ...stagedArchives,
  name: 'staged shards that are routed to two sinks',
  routed: true,
})

/** An archive that is damaged has records of another one, which must be written all the same. */
export const damagedArchive: Workload = expecting({
  ...pages,
  name: 'shards of archives one of which is damaged',
  partitions: new Map([
    ['damaged', daysOf('a', 4)],
    ['a', daysOf('a', 5)],
    ['b', daysOf('b', 2)],
  ]),
  shards: {
    stagedAt: 'outbox',
    before: new Map([['live', daysOf('a', 1)]]),
    damaged: 'damaged',
    shards: [[part('damaged', 0, 4)], [part('a', 0, 3)], [part('a', 3, 5), part('b', 0, 2)]],
  },
})

/** Records that nothing deduplicates. */
export const lineShards: Workload = {
  ...lines,
  name: 'shards of lines without dedup, in split batches',
  shards: { stagedAt: 'outbox', shards: [[part('a', 0, 5)], [part('a', 5, 9)], [part('a', 9, 14)]] },
}
