import { createEventSet, makeOrganizationId } from '../events.ts'
import type { EventSet } from '../events.ts'
import { hash32, isAmong } from '../events/random.ts'

export interface OrganizationOptions {
  /** 24 hex digits. Default: derived from the seed. */
  readonly id?: string
  /** Number of events. Default: `events` of the server. */
  readonly events?: number
  /** `false`: every request gets 402. */
  readonly licensed?: boolean
}

/**
 * An organization's events and when they are visible. Derived from the seed and the index of an
 * event; nothing is stored.
 */
export interface Organization {
  readonly id: string
  readonly licensed: boolean
  readonly events: EventSet
  /**
   * True if the API returns the event at this time (epoch milliseconds): its timestamp, moved by
   * `early`, `late` or `straggler`.
   */
  isVisible(index: number, now: number): boolean
  /** True if the event is always listed twice in a row. */
  isRepeated(index: number): boolean
}

/**
 * A share (0 to 1) of the events becomes visible after its timestamp, by a delay or a range of
 * delays in milliseconds.
 */
export interface Late {
  readonly fraction: number
  readonly delay: number | readonly [number, number]
}

/** One event of each organization becomes visible this many milliseconds after its timestamp. */
export interface Straggler {
  readonly index: number
  readonly delay: number
}

/**
 * A share (0 to 1) of the events becomes visible before its timestamp: events with future
 * timestamps.
 */
export interface Early {
  readonly fraction: number
  readonly by: number
}

export interface OrganizationDefaults {
  readonly seed: number
  readonly events: number
  readonly start: number
  readonly end: number
  readonly shape: 'one' | 'mixed'
  readonly late?: Late | undefined
  readonly straggler?: Straggler | undefined
  readonly early?: Early | undefined
  readonly repeats: number
}

export function createOrganization(options: OrganizationOptions, defaults: OrganizationDefaults): Organization {
  const { seed, start, end, shape, late, straggler, early, repeats } = defaults
  const id = options.id ?? makeOrganizationId(seed)
  const events = createEventSet({ seed, count: options.events ?? defaults.events, start, end, shape, organization: id })

  function delayOf(index: number): number {
    if (index === straggler?.index) return straggler.delay
    if (late !== undefined && isAmong(late.fraction, seed, index, LANE_LATE)) {
      if (typeof late.delay === 'number') return late.delay
      const [least, most] = late.delay
      return least + (hash32(seed, index, LANE_DELAY) / 2 ** 32) * (most - least)
    }
    if (early !== undefined && isAmong(early.fraction, seed, index, LANE_EARLY)) return -early.by
    return 0
  }

  return {
    id,
    licensed: options.licensed ?? true,
    events,
    isVisible: (index, now) => events.millis(index) + delayOf(index) <= now,
    isRepeated: (index) => isAmong(repeats, seed, index, LANE_REPEAT),
  }
}

const LANE_LATE = 30
const LANE_DELAY = 31
const LANE_EARLY = 32
const LANE_REPEAT = 33
