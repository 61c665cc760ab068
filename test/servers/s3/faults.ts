import type { S3ErrorCode } from './errors.ts'
import type { Operation } from './route.ts'

export type Effect =
  /**
   * Breaks the connection: at the `start`, with nothing read; within the `body` (of the request if it has one, else of the answer),
   * behind `afterBytes`, by default half of it; or where the `answer` belongs, after the operation has taken effect.
   */
  | { readonly kind: 'reset'; readonly at: 'start' | 'answer' }
  | { readonly kind: 'reset'; readonly at: 'body'; readonly afterBytes?: number }
  /** Never answers, until the server is closed; at `answer` the operation has taken effect. */
  | { readonly kind: 'hang'; readonly at: 'start' | 'answer' }
  /** Answers bodies at this rate. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** Reads the request, does nothing and answers the error with its status, or `status`; `retryAfter` is in seconds. */
  | { readonly kind: 'error'; readonly code: S3ErrorCode; readonly status?: number; readonly retryAfter?: number }
  /** Does nothing and answers the error with status 200, as S3 may for Complete and Copy. */
  | { readonly kind: 'errorInside200'; readonly code: S3ErrorCode }
  /** Does the operation and names a wrong checksum in the answer. */
  | { readonly kind: 'wrongChecksum' }

export type Fault = Effect & {
  /** Which requests it strikes; by default all. */
  readonly operation?: Operation | readonly Operation[]
  readonly key?: string | RegExp
  /** Lets so many matching requests pass before the first strike. */
  readonly after?: number
  /** How often it strikes; once by default. */
  readonly times?: number
  /** Chance to strike, from 0 to 1, drawn from a generator that starts at `seed`. */
  readonly probability?: number
  readonly seed?: number
}

export interface ActiveFault {
  /** How often it has struck. */
  readonly struck: number
  remove(): void
}

export class Faults {
  readonly #active = new Set<Candidate>()

  /** Of several faults that match a request, the one added first strikes. */
  add(fault: Fault): ActiveFault {
    const candidate = createCandidate(fault)
    this.#active.add(candidate)
    return {
      get struck() {
        return candidate.struck
      },
      remove: () => void this.#active.delete(candidate),
    }
  }

  clear(): void {
    this.#active.clear()
  }

  /** The fault that strikes this request, if any. */
  strike(operation: Operation, key: string): Fault | undefined {
    for (const candidate of this.#active) {
      if (candidate.strikes(operation, key)) return candidate.fault
    }
    return undefined
  }
}

interface Candidate {
  readonly fault: Fault
  struck: number
  strikes(operation: Operation, key: string): boolean
}

function createCandidate(fault: Fault): Candidate {
  const { times = 1, after = 0, probability = 1, seed = 1 } = fault
  const random = createRandom(seed)
  let seen = 0
  return {
    fault,
    struck: 0,
    strikes(operation, key) {
      if (this.struck >= times || !matches(fault, operation, key) || ++seen <= after || random() >= probability)
        return false
      this.struck++
      return true
    },
  }
}

function matches(fault: Fault, operation: Operation, key: string): boolean {
  if (fault.operation !== undefined && ![fault.operation].flat().includes(operation)) return false
  if (fault.key === undefined) return true
  return typeof fault.key === 'string' ? fault.key === key : fault.key.test(key)
}

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}
