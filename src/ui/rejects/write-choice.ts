import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { RejectChoice } from './api.ts'
import { chooseRejects } from './choose-rejects.ts'

interface WriteOptions {
  readonly folder: string
  readonly choice: RejectChoice
  /** A file that does not exist, in a private folder. */
  readonly path: string
}

/**
 * Writes a choice as `sluice rejects replay --file` reads it. Rejects without a record are left out: nothing of
 * them can be replayed.
 * @returns the number of rejects in it
 */
export function writeChoice({ folder, choice, path }: WriteOptions): Promise<number> {
  return chooseRejects(folder, choice, async (chosen) => {
    // It may be the second attempt: the first one has found that a file of rejects is gone.
    const file = createWriteStream(path, { mode: 0o600 })
    const done = finished(file)
    done.catch(() => undefined)
    let count = 0
    try {
      for (const { id, record } of chosen) {
        if (record === undefined) continue
        count++
        if (!file.write(`{"id":"${id}","record":${record}}\n`)) await Promise.race([once(file, 'drain'), done])
      }
    } finally {
      file.end()
      await done
    }
    return count
  })
}
