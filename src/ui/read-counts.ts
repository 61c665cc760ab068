import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { remaining } from '../delivery/rejects/reject-numbers.ts'
import { DATA_FILE } from '../delivery/state/database.ts'
import { databaseFolder, readState } from '../delivery/state/state-reader.ts'
import type { StateReader } from '../delivery/state/state-reader.ts'
import { asSluiceError } from '../errors.ts'
import { statIfPresent } from '../fields/present.ts'
import { describePosition } from '../inspect/describe-position.ts'
import type { PipelineRow } from './api.ts'

/** What the overview shows of a state. The last two are left out while it runs: the run knows them. */
export type Counts = Pick<PipelineRow, 'committedAt' | 'ledger' | 'rejects' | 'waiting' | 'readUpToAt'>

/** Why a state cannot be read, for people. */
export interface Trouble {
  readonly trouble: string
}

/**
 * Reads the counts of states, each second for as long as somebody looks. A state that no process has changed
 * since the last look is not read again, and one that is in use is not read row by row.
 */
export class CountsReader {
  readonly #known = new Map<string, { readonly stamp: string; readonly counts: Counts }>()

  /**
   * @param folder the pipeline's own state folder
   * @returns undefined if it has no state, or why it cannot be read
   */
  async read(folder: string, { isRunning }: { readonly isRunning: boolean }): Promise<Counts | Trouble | undefined> {
    const found = await orTrouble(async () => statIfPresent(join(databaseFolder(folder), DATA_FILE)))
    if (found === undefined || 'trouble' in found) return found
    const stamp = isRunning ? undefined : stampOf(found)
    const known = this.#known.get(folder)
    if (known !== undefined && known.stamp === stamp) return known.counts
    this.#known.delete(folder)
    const counts = await orTrouble(() => readCounts(folder, isRunning))
    if (counts !== undefined && !('trouble' in counts) && stamp !== undefined)
      this.#known.set(folder, { stamp, counts })
    return counts
  }
}

/** Reads from a state: undefined if there is none, or why it cannot be read. */
export async function orTrouble<Value>(read: () => Promise<Value>): Promise<Value | Trouble | undefined> {
  try {
    return await read()
  } catch (error) {
    const { code, message } = asSluiceError(error, 'INTERNAL', 'the state cannot be read')
    return code === 'STATE_NOT_FOUND' ? undefined : { trouble: message }
  }
}

/** Changes with the database; undefined while it has changed so lately that the next change may have the same time. */
function stampOf({ ino, size, mtimeMs }: Stats): string | undefined {
  return Date.now() - mtimeMs < FRESH ? undefined : [ino, size, mtimeMs].join(' ')
}

/** Milliseconds; more than the clock of any file system. */
const FRESH = 3000

async function readCounts(folder: string, isRunning: boolean): Promise<Counts> {
  const { rows, ...counts } = await readState(folder, (state) => ({
    ...countsOf(state),
    ...(!isRunning && { waiting: waitingOf(state) }),
    rows: isRunning ? [] : state.partitions(),
  }))
  const times = await Promise.all(rows.map(({ partition, position }) => describePosition(partition, position)))
  const known = times.flatMap(({ readUpTo }) => readUpTo ?? [])
  return {
    ...counts,
    ...(known.length > 0 && { readUpToAt: known.reduce((one, other) => Math.min(one, other)) }),
  }
}

function countsOf(state: StateReader): Pick<Counts, 'committedAt' | 'ledger' | 'rejects'> {
  const { read, added, written, duplicate, rejected, dropped } = state.tally
  const { committedAt } = state
  return {
    ...(committedAt !== undefined && { committedAt }),
    ledger: {
      read,
      added,
      written,
      duplicate,
      rejected,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
    },
    rejects: state.localRejects().reduce((sum, row) => sum + remaining(row), 0),
  }
}

function waitingOf(state: StateReader): { objects: number; bytes: number } {
  const waiting = { objects: 0, bytes: 0 }
  for (const { bytes } of state.objectRows()) {
    waiting.objects++
    waiting.bytes += bytes
  }
  return waiting
}
