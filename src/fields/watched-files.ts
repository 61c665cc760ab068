import { statSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'

/**
 * Notices that files have changed: their content, or what a link leads to, which is how Kubernetes
 * replaces the files of a secret. It looks when it is asked, so it needs no handle, no timer and no
 * support of the file system.
 */
export class WatchedFiles {
  readonly #signs = new Map<string, string>()

  /** Watches a file from now on. Call it before the file is read: then no change is missed. */
  add(path: string): void {
    this.#signs.set(path, signOf(statOf(path)))
  }

  get paths(): string[] {
    return [...this.#signs.keys()]
  }

  /**
   * True if a file has changed since it was added, or since this was last true.
   * @param now Leaves out what changed less than a second ago: it may be half-written.
   */
  haveChanged(now = Infinity): boolean {
    let changed = false
    for (const [path, before] of this.#signs) {
      const stats = statOf(path)
      const sign = signOf(stats)
      if (sign === before || isFresh(stats, now)) continue
      this.#signs.set(path, sign)
      changed = true
    }
    return changed
  }
}

/** Milliseconds. A file that is written in place is complete by then. */
const FRESH = 1000

/** A time in the future is that of another clock, and says nothing. */
function isFresh(stats: BigIntStats | undefined, now: number): boolean {
  const age = now - Number(stats?.mtimeMs ?? 0n)
  return age >= 0 && age < FRESH
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

function signOf(stats: BigIntStats | undefined): string {
  if (stats === undefined) return 'absent'
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}
