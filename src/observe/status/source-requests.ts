import type { RequestsStatus } from './snapshot.ts'

/** Statuses of responses that are no failures, as a pattern of the alert SluiceSourceFailing. 429 is a wait. */
export const NO_FAILURE = '2..|304|429'

/** Requests of a run to an API and for its tokens. */
export class SourceRequests {
  #count = 0
  #failed = 0

  /** @param status undefined without a response */
  take(status: number | undefined): void {
    this.#count++
    if (status === undefined || !PATTERN.test(String(status))) this.#failed++
  }

  /** Undefined before the first one. */
  snapshot(): RequestsStatus | undefined {
    return this.#count === 0 ? undefined : { count: this.#count, failed: this.#failed }
  }
}

const PATTERN = new RegExp(`^(?:${NO_FAILURE})$`)
