import { createHash } from 'node:crypto'
import { SluiceError } from '../../../errors.ts'
import type { OpenWindow } from '../windows/checkpoint.ts'
import type { NextPage } from './paginate.ts'

/** Fails a window that would never end: too many pages, or a cursor that repeats. */
export class CursorGuard {
  readonly #maxPages: number
  /** Digests of the cursors that were sent for the current window. */
  readonly #sent = new Set<string>()

  constructor(maxPages = Infinity) {
    this.#maxPages = maxPages
  }

  /** Call after each complete page. @throws SluiceError SOURCE_FAILED */
  check({ cursor, pages }: OpenWindow, next: NextPage): void {
    if (pages === 0) this.#sent.clear()
    if (next === undefined) return
    if (pages + 1 >= this.#maxPages)
      throw new SluiceError(
        'SOURCE_FAILED',
        `more than ${this.#maxPages} pages (paginate.maxPages): set a shorter window.step, or raise maxPages`,
      )
    if (next.cursor === undefined) return
    if (cursor !== undefined) this.#sent.add(digest(cursor))
    if (this.#sent.has(digest(next.cursor)))
      throw new SluiceError('SOURCE_FAILED', 'the cursor of the next page repeats: the window would never end')
  }
}

function digest(cursor: string): string {
  return createHash('sha256').update(cursor).digest('base64url').slice(0, 22)
}
