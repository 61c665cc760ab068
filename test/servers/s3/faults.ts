import type { S3ErrorCode } from './protocol/errors.ts'
import type { Operation } from './protocol/route.ts'

export type Effect =
  /**
   * Breaks the connection. `start`: before anything is read. `body`: within the body of the
   * request, or else of the response, after `afterBytes` (default: half of it). `response`: after
   * the operation has taken effect, in place of the response.
   */
  | { readonly kind: 'reset'; readonly at: 'start' | 'response' }
  | { readonly kind: 'reset'; readonly at: 'body'; readonly afterBytes?: number }
  /**
   * Does not respond until the server is closed. With `response`, the operation has taken effect.
   */
  | { readonly kind: 'hang'; readonly at: 'start' | 'response' }
  /** Handles the request when the promise is fulfilled, unless the client has disconnected. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /**
   * Sends a body of another length than asked for, as a proxy may: fewer bytes, with a content length
   * that says the same; or more.
   */
  | { readonly kind: 'resize'; readonly bytes: number }
  /** Sends response bodies at this rate. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /**
   * Reads the request, does nothing and responds with the error. `status` replaces its status;
   * `retryAfter` is in seconds.
   */
  | { readonly kind: 'error'; readonly code: S3ErrorCode; readonly status?: number; readonly retryAfter?: number }
  /** Does nothing and responds with the error and status 200, as S3 may for Complete and Copy. */
  | { readonly kind: 'errorInside200'; readonly code: S3ErrorCode }
  /** Does the operation and responds with a wrong checksum. */
  | { readonly kind: 'wrongChecksum' }

export type Fault = Effect & {
  /** Requests that trigger the fault. Default: all. */
  readonly operation?: Operation | readonly Operation[]
  readonly key?: string | RegExp
  /** Number of matching requests that pass first. */
  readonly after?: number
  /** How often the fault is triggered. Default: once. */
  readonly times?: number
  /** Probability for each matching request, with a random generator that starts at `seed`. */
  readonly probability?: number
  readonly seed?: number
}

export interface ActiveFault {
  /** How often the fault was triggered. */
  readonly triggered: number
  remove(): void
}

export class Faults {
  readonly #active = new Set<Candidate>()

  /** If several faults match a request, the first one is triggered. */
  add(fault: Fault): ActiveFault {
    const candidate = createCandidate(fault)
    this.#active.add(candidate)
    return {
      get triggered() {
        return candidate.triggered
      },
      remove: () => void this.#active.delete(candidate),
    }
  }

  /** Holds all requests of an operation. @returns what releases them, and those that come later */
  hold(operation: Operation, key?: RegExp): () => void {
    let release: (() => void) | undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    this.add({ kind: 'hold', until, operation, times: Infinity, ...(key && { key }) })
    return () => release?.()
  }

  clear(): void {
    this.#active.clear()
  }

  /** The fault that this request triggers, if any. */
  trigger(operation: Operation, key: string): Fault | undefined {
    for (const candidate of this.#active) {
      if (candidate.triggers(operation, key)) return candidate.fault
    }
    return undefined
  }
}

interface Candidate {
  readonly fault: Fault
  triggered: number
  triggers(operation: Operation, key: string): boolean
}

function createCandidate(fault: Fault): Candidate {
  const { times = 1, after = 0, probability = 1, seed = 1 } = fault
  const random = createRandom(seed)
  let seen = 0
  return {
    fault,
    triggered: 0,
    triggers(operation, key) {
      if (this.triggered >= times || !matches(fault, operation, key) || ++seen <= after || random() >= probability)
        return false
      this.triggered++
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
