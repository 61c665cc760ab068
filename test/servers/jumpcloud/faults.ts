import { randomInt } from 'node:crypto'
import { hash32 } from '../events/random.ts'

export type Endpoint = 'events' | 'count' | 'interval' | 'token'

/** What goes wrong before the request is looked at. */
export type RequestFault =
  /** An error status; `retryAfter` in seconds, or as an HTTP date that many seconds from the server's clock. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: number; readonly asDate?: boolean }
  /** The connection is reset without an answer. */
  | { readonly kind: 'reset-before' }
  /** No answer at all, until the client gives up or the server closes. */
  | { readonly kind: 'hang' }
  /** A sign-in page with status 200. */
  | { readonly kind: 'html' }
  /** 307 to the same path below another origin, such as `http://127.0.0.1:1234`. */
  | { readonly kind: 'redirect'; readonly to: string }

/** What goes wrong with a good page of `/events`. */
export type PageFault =
  /** The connection is reset after about half of the body. */
  | { readonly kind: 'reset-during' }
  /** The gzip stream lacks its second half, but the response ends as if it were whole. Only where the client takes gzip. */
  | { readonly kind: 'truncated-gzip' }
  /** The body ends behind a record, without the closing bracket: with a `content-length` it lacks bytes, without one it looks whole. */
  | { readonly kind: 'cut'; readonly contentLength: boolean }
  /** The cursor sent with the request comes back. Only where one was sent. */
  | { readonly kind: 'repeat-cursor' }
  /** A full page without a cursor. Only where the page is full. */
  | { readonly kind: 'no-cursor' }
  /** One byte of the body per `every` milliseconds (1000 by default). */
  | { readonly kind: 'slow'; readonly every?: number }

export interface FaultRule {
  readonly fault: RequestFault | PageFault
  /** An organisation's id; any by default. */
  readonly org?: string
  /** `events` by default. */
  readonly endpoint?: Endpoint
  /** How often it strikes; 1 by default. */
  readonly times?: number
  /** How many requests that it could strike pass first; 0 by default. */
  readonly after?: number
  /** Chance per request that it could strike; always by default. `times` is then unlimited unless given. */
  readonly probability?: number
}

/** What passes when it is asked again. Those that cost a deadline (`hang`, `slow`) are not among them. */
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

export interface FaultTally {
  /** How often the rule has struck. */
  readonly fired: number
  remove(): void
}

/** Faults on demand. Of several rules that could strike, the one added first does. */
export interface Faults {
  /** Repeats the same luck when given as `faultSeed`; printed to stderr with the first rule that has a `probability`. */
  readonly seed: number
  add(rule: FaultRule): FaultTally
  clear(): void
}

export interface RequestFacts {
  readonly org: string | undefined
  readonly endpoint: Endpoint
}

export interface PageFacts extends RequestFacts {
  readonly isFull: boolean
  readonly hasCursor: boolean
  readonly acceptsGzip: boolean
}

/** The server's side of `Faults`. */
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
