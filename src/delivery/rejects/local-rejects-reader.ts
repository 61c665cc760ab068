import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { LINE_FEED } from '../../record/json/ascii.ts'
import { isPending, rejectsFolder } from './local-rejects.ts'
import type { RejectId } from './reject-id.ts'
import type { LocalRejectsRow } from '../state/rows.ts'
import { readState } from '../state/state-reader.ts'
import { systemCode } from '../../errors.ts'

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
  return { evicted, rejects: readRows(folder, rows) }
}

/** The rejects of these rows that were not replayed. */
export async function* readRows(folder: string, rows: readonly LocalRejectsRow[]): AsyncGenerator<LocalReject> {
  for (const row of rows) {
    const isNotReplayed = isPending(row)
    let at = 0
    try {
      for await (const line of linesOf(createReadStream(join(rejectsFolder(folder), row.file)))) {
        if (isNotReplayed(at)) yield parse(line.toString(), { epoch: row.epoch, at })
        at++
      }
    } catch (error) {
      // The owner has deleted the file in the meantime.
      if (systemCode(error) !== 'ENOENT') throw error
    }
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
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

function parse(json: string, id: RejectId): LocalReject {
  const fields: Omit<LocalReject, 'json'> = JSON.parse(json)
  const { code, stage, detail, origin, line, dedupKey, part } = fields
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
