import { formatDuration } from '../../fields/units.ts'
import { MINUTE, SECOND } from '../../time.ts'
import { isRefusal } from './access.ts'
import type { RunContext } from './run-context.ts'
import type { Note } from '../../observe/messages/table.ts'

/**
 * Waits for a new key of one tenant. When keys are replaced, the old one may end before the new one is
 * in its file: a collector outlives that, for `retry.refusedFor`.
 */
export class KeyWait {
  readonly #context: RunContext
  /** A key that has never been accepted is a mistake. */
  #hasWorked = false
  /** By `Clock.monotonic()`. */
  #refusedSince: number | undefined

  constructor(context: RunContext) {
    this.#context = context
  }

  /** The API has accepted the key. */
  accepted(): void {
    this.#hasWorked = true
    this.#refusedSince = undefined
  }

  /**
   * @returns true if the request is worth another attempt: there is a new key, or a minute has passed,
   * since the refusal may be a mistake of the API. False if the error is final.
   */
  async after(failure: unknown): Promise<boolean> {
    const { read, access, time, options, draining } = this.#context
    const { refusedFor } = options.retry
    if (!read.follow || !this.#hasWorked || access.fileNames === '' || !isRefusal(failure)) return false
    if (this.#refusedSince === undefined && refusedFor > 0) {
      const { message: reason } = failure
      const atMost = formatDuration(refusedFor)
      const note: Note = read.note
      note('source.key.refused', { files: access.fileNames, atMost, reason })
    }
    this.#refusedSince ??= time.monotonic()
    const end = this.#refusedSince + refusedFor
    const nextTry = time.monotonic() + RETRY_EVERY
    while (time.monotonic() < Math.min(end, nextTry) && !draining.aborted) {
      await time.sleep(Math.min(LOOK_EVERY, refusedFor), draining).catch(() => {})
      if (await access.refresh()) return !draining.aborted
    }
    return time.monotonic() < end && !draining.aborted
  }
}

/** Milliseconds between two looks at the files. */
const LOOK_EVERY = SECOND
const RETRY_EVERY = MINUTE
