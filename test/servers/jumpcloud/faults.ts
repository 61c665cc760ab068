import { randomInt } from 'node:crypto'
import { hash32 } from '../events/random.ts'

export type Endpoint = 'events' | 'count' | 'interval' | 'token'

/** A fault before the request is processed. */
export type RequestFault =
  /**
   * An error status. `retryAfter` is sent in seconds, or as an HTTP date that many seconds after
   * server time.
   */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: number; readonly asDate?: boolean }
  /** The connection is reset without a response. */
  | { readonly kind: 'reset-before' }
  /** No response until the client gives up or the server closes. */
  | { readonly kind: 'hang' }
  /** A sign-in page with status 200. */
  | { readonly kind: 'html' }
  /** 307 to the same path on another origin, such as `http://127.0.0.1:1234`. */
  | { readonly kind: 'redirect'; readonly to: string }

/** A fault in an otherwise correct page of `/events`. */
export type PageFault =
  /** The connection is reset after about half of the body. */
  | { readonly kind: 'reset-during' }
  /**
   * The gzip stream lacks its second half, but the response looks complete. Only if the client
   * accepts gzip.
   */
  | { readonly kind: 'truncated-gzip' }
  /**
   * The body ends after a record, without the closing bracket. With `content-length` bytes are
   * missing; without it, the response looks complete.
   */
  | { readonly kind: 'cut'; readonly contentLength: boolean }
  /** Returns the cursor of the request, if it has one. */
  | { readonly kind: 'repeat-cursor' }
  /** A full page without a cursor. Only if the page is full. */
  | { readonly kind: 'no-cursor' }
  /** One byte of the body per `every` milliseconds (1000 by default). */
  | { readonly kind: 'slow'; readonly every?: number }

export interface FaultRule {
  readonly fault: RequestFault | PageFault
  /** Organization id. Default: any. */
  readonly org?: string
  /** Default: `events`. */
  readonly endpoint?: Endpoint
  /** How often the fault occurs. Default: 1. */
  readonly times?: number
  /** How many matching requests succeed first. Default: 0. */
  readonly after?: number
  /** Probability per matching request. Default: 1. With it, `times` is unlimited by default. */
  readonly probability?: number
}

/** Faults that a retry overcomes, except those that cost a timeout (`hang`, `slow`). */
export const passingFaults: readonly FaultRule['fault'][] = [
  { kind: 'status', status: 429, retryAfter: 0 },
  { kind: 'status', status: 429, retryAfter: 0, asDate: true },
  { kind: 'status', status: 429 },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 504 },
  { kind: 'reset-before' },
  { kind: 'html' },
  { kind: 'reset-during' },
  { kind: 'truncated-gzip' },
  { kind: 'cut', contentLength: true },
  { kind: 'cut', contentLength: false },
]

interface FaultTally {
  /** How often the fault has occurred. */
  readonly fired: number
  remove(): void
}

/** Faults on demand. Of several matching rules, the one added first applies. */
export interface Faults {
  /**
   * Pass it as `faultSeed` to repeat a run. Printed to stderr with the first rule that has a
   * `probability`.
   */
  readonly seed: number
  add(rule: FaultRule): FaultTally
  clear(): void
}

interface RequestFacts {
  readonly org: string | undefined
  readonly endpoint: Endpoint
}

interface PageFacts extends RequestFacts {
  readonly isFull: boolean
  readonly hasCursor: boolean
  readonly acceptsGzip: boolean
}

/** The part of `Faults` that the server uses. */
export interface FaultSource extends Faults {
  takeRequestFault(facts: RequestFacts): RequestFault | undefined
  takePageFault(facts: PageFacts): PageFault | undefined
}

export function createFaults(seed: number = randomInt(2 ** 31)): FaultSource {
  const rules: LiveRule[] = []
  let printed = false

  function add(rule: FaultRule): FaultTally {
    if (rule.probability !== undefined && !printed) {
      process.stderr.write(`jumpcloud emulation: fault seed ${seed}\n`)
      printed = true
    }
    const live: LiveRule = { rule, place: rules.length, seen: 0, fired: 0, active: true }
    rules.push(live)
    return {
      get fired() {
        return live.fired
      },
      remove() {
        live.active = false
      },
    }
  }

  function strikes(live: LiveRule): boolean {
    const { after = 0, probability, times = probability === undefined ? 1 : Infinity } = live.rule
    if (live.fired >= times) return false
    live.seen++
    if (live.seen <= after) return false
    if (probability !== undefined && hash32(seed, live.seen, live.place) >= probability * 2 ** 32) return false
    live.fired++
    return true
  }

  function isMeant({ rule, active }: LiveRule, facts: RequestFacts): boolean {
    return active && (rule.org ?? facts.org) === facts.org && (rule.endpoint ?? 'events') === facts.endpoint
  }

  return {
    seed,
    add,
    clear() {
      for (const live of rules) live.active = false
    },
    takeRequestFault(facts) {
      for (const live of rules) {
        const { fault } = live.rule
        if (!isPageFault(fault) && isMeant(live, facts) && strikes(live)) return fault
      }
      return undefined
    },
    takePageFault(facts) {
      for (const live of rules) {
        const { fault } = live.rule
        if (isPageFault(fault) && isMeant(live, facts) && isPossible(fault, facts) && strikes(live)) return fault
      }
      return undefined
    },
  }
}

interface LiveRule {
  readonly rule: FaultRule
  readonly place: number
  seen: number
  fired: number
  active: boolean
}

function isPageFault(fault: RequestFault | PageFault): fault is PageFault {
  return ['reset-during', 'truncated-gzip', 'cut', 'repeat-cursor', 'no-cursor', 'slow'].includes(fault.kind)
}

function isPossible(fault: PageFault, facts: PageFacts): boolean {
  if (fault.kind === 'truncated-gzip') return facts.acceptsGzip
  if (fault.kind === 'repeat-cursor') return facts.hasCursor
  return fault.kind !== 'no-cursor' || facts.isFull
}
