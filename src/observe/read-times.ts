import { MINUTE } from '../time.ts'
import type { Events } from './bus/events.ts'
import { formatSpan } from './report.ts'
import type { StatusSnapshot } from './status/snapshot.ts'

interface TimeSpan {
  /** Where this run began to read. */
  readonly from: number
  readonly readUpTo: number
}

/** How far a source of event times is, over all its partitions. */
export type TimesRead = Required<Pick<StatusSnapshot['read'], 'fromAt' | 'readUpToAt' | 'share'>>

/** Up to which event time each source partition is read, committed or not. */
export class ReadTimes {
  readonly #spans = new Map<string, TimeSpan>()

  take({ partition, readFrom, readUpTo }: Events['sluice:run:work']['sources'][number]): void {
    if (readUpTo === undefined) return
    const from = this.#spans.get(partition)?.from ?? readFrom ?? readUpTo
    this.#spans.set(partition, { from, readUpTo })
  }

  /** Undefined if the source knows no times. */
  at(now: number): TimesRead | undefined {
    if (this.#spans.size === 0) return undefined
    let [fromAt, readUpToAt, total, done] = [Infinity, Infinity, 0, 0]
    for (const { from, readUpTo } of this.#spans.values()) {
      fromAt = Math.min(fromAt, from)
      readUpToAt = Math.min(readUpToAt, readUpTo)
      total += Math.max(0, now - from)
      done += Math.max(0, readUpTo - from)
    }
    return { fromAt, readUpToAt, share: total > 0 ? Math.min(1, done / total) : 1 }
  }
}

/**
 * `reading 2026-09-12, 14 % of 90 d`; `read up to 2026-09-12 10:25 UTC` once little is left. With
 * several source partitions: the date of the last one, and the share of all.
 */
export function describeTimes({ fromAt, readUpToAt, share }: TimesRead, now: number): string {
  const [day, time] = new Date(readUpToAt).toISOString().split('T')
  if (now - readUpToAt < CAUGHT_UP || now <= fromAt) return `read up to ${day} ${time.slice(0, 5)} UTC`
  return `reading ${day}, ${Math.min(99, Math.round(100 * share))} % of ${formatSpan(now - fromAt)}`
}

/** A source that is closer to the present than this has caught up: more than the usual lag. */
const CAUGHT_UP = 15 * MINUTE
