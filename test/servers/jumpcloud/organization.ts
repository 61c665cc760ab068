import { createEventSet, makeOrganizationId } from '../events.ts'
import type { EventSet } from '../events.ts'
import { hash32, isAmong } from '../events/random.ts'

export interface OrganizationOptions {
  /** 24 hex digits; made from the seed by default. */
  readonly id?: string
  /** How many events it has; the server's `events` by default. */
  readonly events?: number
  /** `false`: every request is answered 402. */
  readonly licensed?: boolean
}

/** What an organisation shows and when. Everything follows from the seed and the event's index; nothing is stored. */
export interface Organization {
  readonly id: string
  readonly licensed: boolean
  readonly events: EventSet
  /** Whether the API shows the event at this time (epoch milliseconds): never before `early`, never before `late` is over. */
  isVisible(index: number, now: number): boolean
  /** Whether the event is listed twice in a row wherever it is listed. */
  isRepeated(index: number): boolean
}

/** A share (0 to 1) of the events is shown this much later than its timestamp: one delay, or spread over a range, in milliseconds. */
export interface Late {
  readonly fraction: number
  readonly delay: number | readonly [number, number]
}

/** One event of each organisation that is shown this many milliseconds later than its timestamp. */
export interface Straggler {
  readonly index: number
  readonly delay: number
}

/** A share (0 to 1) of the events is shown before its timestamp: events with future timestamps. */
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
