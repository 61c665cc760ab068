import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { LINE_FEED } from '../../record/json/ascii.ts'
import { rejectsFolder } from './local-rejects.ts'
import { isNewer, parseRejectId } from './reject-id.ts'
import type { RejectId } from './reject-id.ts'
import { isPending, lastEpochOf } from './reject-numbers.ts'
import type { LocalRejectsRow } from '../state/rows.ts'
import { readState } from '../state/state-reader.ts'
import { SluiceError, systemCode } from '../../errors.ts'

/** One line of the local dead-letter queue, see `rejectLine`. */
export interface LocalReject {
  readonly id: RejectId
  readonly code: string
  readonly stage: string
  readonly detail?: string
  readonly origin: string
  readonly line: number
  readonly dedupKey?: string
  readonly part?: true
  /** The whole line of the file. */
  readonly json: string
}

export interface LocalRejectsView {
  /** Rejects that were deleted because the budget was exceeded. */
  readonly evicted: number
  readonly rejects: AsyncIterable<LocalReject>
}

/**
 * The rejects in a state folder, the oldest first. Safe while another process owns it. @throws
 * SluiceError STATE_NOT_FOUND
 */
export async function readLocalRejects(folder: string): Promise<LocalRejectsView> {
  const { rows, evicted } = await readState(folder, (state) => ({
    rows: state.localRejects(),
    evicted: state.rejectCounts.evicted,
  }))
  const again = async (): Promise<LocalRejectsRow[]> => readState(folder, (state) => state.localRejects())
  return { evicted, rejects: readRows(folder, rows, again) }
}

/**
 * The rejects of these rows that were not replayed.
 * @param again reads the rows again: the owner has merged, replayed or deleted rejects in the meantime
 */
export async function* readRows(
  folder: string,
  rows: readonly LocalRejectsRow[],
  again?: () => Promise<LocalRejectsRow[]>,
): AsyncGenerator<LocalReject> {
  const waiting = [...rows]
  let last: RejectId = { epoch: 0, at: -1 }
  for (let row = waiting.shift(); row; row = waiting.shift()) {
    const isNotReplayed = isPending(row)
    try {
      for await (const line of linesOf(createReadStream(join(rejectsFolder(folder), row.file)))) {
        const reject = parseLocalReject(line.toString())
        if (!isNewer(reject.id, last)) continue
        last = reject.id
        if (isNotReplayed(reject.id)) yield reject
      }
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      const { epoch, file } = row
      const now = (await again?.()) ?? waiting
      // A file that the state still names is lost: `verify` says so.
      waiting.splice(0, Infinity, ...now.filter((one) => lastEpochOf(one) >= epoch && one.file !== file))
    }
  }
}

/** The lines of a file, without their line feeds. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let open: Buffer[] = []
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      yield Buffer.concat([...open, chunk.subarray(from, end)])
      open = []
      from = end + 1
    }
    if (from < chunk.length) open.push(chunk.subarray(from))
  }
}

/** @throws SluiceError STATE_DAMAGED for a line without an id */
export function parseLocalReject(json: string): LocalReject {
  const fields: Omit<LocalReject, 'json' | 'id'> & { readonly id: string } = JSON.parse(json)
  const { code, stage, detail, origin, line, dedupKey, part } = fields
  const id = parseRejectId(fields.id)
  if (!id) throw new SluiceError('STATE_DAMAGED', 'a line of the local rejects has no id')
  return {
    id,
    code,
    stage,
    ...(detail !== undefined && { detail }),
    origin,
    line,
    ...(dedupKey !== undefined && { dedupKey }),
    ...(part && { part }),
    json,
  }
}
