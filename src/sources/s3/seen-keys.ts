import { createHash } from 'node:crypto'
import { SECOND } from '../../time.ts'

/**
 * The objects that were read, as far as a look-back needs to know them: 8 bytes of a digest of key
 * and ETag, and 4 bytes of LastModified in seconds. With 20,000 of them, the chance that a new
 * object is taken for a known one is 10^-15.
 */
export class SeenKeys {
  readonly #times = new Map<string, number>()
  /** In the order of `#times`. */
  #text = ''

  constructor(text = '') {
    for (let at = 0; at + ENTRY_CHARS <= text.length; at += ENTRY_CHARS) {
      const entry = Buffer.from(text.slice(at, at + ENTRY_CHARS), 'base64')
      this.#times.set(entry.toString('latin1', 0, DIGEST_BYTES), entry.readUInt32BE(DIGEST_BYTES))
    }
    this.#text = text
  }

  get size(): number {
    return this.#times.size
  }

  has(key: string, etag: string | undefined): boolean {
    return this.#times.size > 0 && this.#times.has(digest(key, etag))
  }

  /** @param modified In milliseconds since 1970. */
  add(key: string, etag: string | undefined, modified: number): void {
    const id = digest(key, etag)
    if (this.#times.has(id)) return
    const seconds = Math.floor(modified / SECOND)
    this.#times.set(id, seconds)
    this.#text += entryOf(id, seconds)
  }

  /** Forgets what was modified before a time. */
  forget(before: number): void {
    const size = this.#times.size
    for (const [id, seconds] of this.#times) if (seconds < Math.floor(before / SECOND)) this.#times.delete(id)
    if (this.#times.size < size) this.#text = [...this.#times].map(([id, seconds]) => entryOf(id, seconds)).join('')
  }

  /** Forgets the older half. Returns the time since which all are known, in milliseconds since 1970. */
  halve(): number {
    const times = [...this.#times.values()].toSorted((one, other) => one - other)
    const from = ((times[times.length >> 1] ?? 0) + 1) * SECOND
    this.forget(from)
    return from
  }

  /** For the position. */
  toString(): string {
    return this.#text
  }
}

const DIGEST_BYTES = 8
/** Of 12 bytes in base64. */
const ENTRY_CHARS = 16

function digest(key: string, etag: string | undefined): string {
  return createHash('sha256')
    .update(`${key}\0${etag ?? ''}`)
    .digest()
    .toString('latin1', 0, DIGEST_BYTES)
}

function entryOf(id: string, seconds: number): string {
  const entry = Buffer.alloc(DIGEST_BYTES + 4)
  entry.write(id, 'latin1')
  entry.writeUInt32BE(Math.max(0, Math.min(seconds, 0xffffffff)), DIGEST_BYTES)
  return entry.toString('base64')
}
