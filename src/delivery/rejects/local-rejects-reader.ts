import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { RejectId } from '../../record/batch.ts'
import { LINE_FEED } from '../../record/json/ascii.ts'
import { codeOf } from '../../files.ts'
import { keptLines, rejectsFolder } from './local-rejects.ts'
import type { KeptRow } from '../state/rows.ts'
import { readState } from '../state/state-reader.ts'

/** A reject as it was kept, see `rejectLine`. */
export interface KeptReject {
  readonly id: RejectId
  readonly code: string
  readonly stage: string
  readonly detail?: string
  readonly origin: string
  readonly line: number
  readonly claim?: string
  readonly part?: true
  /** The whole line as it stands in the file. */
  readonly json: string
}

export interface KeptRejectsView {
  /** Records that went for want of space. */
  readonly letGo: number
  readonly rejects: AsyncIterable<KeptReject>
}

/** The rejects in a state folder, the oldest first, while whoever owns it works on. @throws SluiceError STATE_NOT_FOUND */
export async function readKeptRejects(folder: string): Promise<KeptRejectsView> {
  const { rows, letGo } = await readState(folder, (state) => ({
    rows: state.keptRejects(),
    letGo: state.rejectCounts.letGo,
  }))
  return { letGo, rejects: readRows(folder, rows) }
}

/** The rejects of these rows that were not replayed. */
export async function* readRows(folder: string, rows: readonly KeptRow[]): AsyncGenerator<KeptReject> {
  for (const row of rows) {
    const isKept = keptLines(row)
    let at = 0
    try {
      for await (const line of linesOf(createReadStream(join(rejectsFolder(folder), row.file)))) {
        if (isKept(at)) yield parse(line.toString(), { epoch: row.epoch, at })
        at++
      }
    } catch (error) {
      // The owner has let it go meanwhile.
      if (codeOf(error) !== 'ENOENT') throw error
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

function parse(json: string, id: RejectId): KeptReject {
  const facts: Omit<KeptReject, 'json'> = JSON.parse(json)
  const { code, stage, detail, origin, line, claim, part } = facts
  return {
    id,
    code,
    stage,
    ...(detail !== undefined && { detail }),
    origin,
    line,
    ...(claim !== undefined && { claim }),
    ...(part && { part }),
    json,
  }
}
