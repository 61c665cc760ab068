/*
 * Many small files of rejects become one, so that months of a few rejects a day leave hundreds of files and not
 * one for each commit.
 *
 * The merged file is written and synced like any other new file, and the transaction that adds its row
 * removes the rows of the files in it. These are deleted after the transaction. So a crash leaves the small
 * files or the merged one, and files without a row, which the next start deletes. Rejects keep their
 * ids. Those that were replayed are left out, and keep their numbers (`reject-numbers.ts`).
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import type { Files, OpenFile } from '../../files.ts'
import { LINE_FEED } from '../../record/json/ascii.ts'
import type { LocalRejectsRow } from '../state/rows.ts'
import { parseRejectId } from './reject-id.ts'
import type { RejectId } from './reject-id.ts'
import { isPending, joinReplayed, partsOf } from './reject-numbers.ts'

export interface MergeLimits {
  /** So many small files in a row are merged. */
  readonly files: number
  /** A file with fewer bytes is small. */
  readonly small: number
  /** The most bytes that are merged at once. */
  readonly bytes: number
}

/**
 * The limits for a budget. A merged file takes a small part of it, because the budget deletes whole files.
 * @param files the number of small files that are merged
 */
export function mergeLimits(budget: number, files = SMALL_FILES): MergeLimits {
  return { files, small: Math.min(1 << 20, budget / 32), bytes: Math.min(4 << 20, budget / 8) }
}

/** At most so many small files follow each other. */
const SMALL_FILES = 64

/** The oldest small files that follow each other, if there are enough of them. Otherwise none. */
export function planMerge(rows: readonly LocalRejectsRow[], limits: MergeLimits): readonly LocalRejectsRow[] {
  let small: LocalRejectsRow[] = []
  for (const row of rows) {
    if (row.bytes >= limits.small) {
      small = []
      continue
    }
    small.push(row)
    if (small.length === limits.files) return atOnce(small, limits.bytes)
  }
  return []
}

/** The first ones of small files that follow each other: as many as are merged at once. */
export function atOnce(rows: readonly LocalRejectsRow[], most: number): readonly LocalRejectsRow[] {
  let bytes = 0
  const end = rows.findIndex((row) => (bytes += row.bytes) > most)
  return end < 0 ? rows : rows.slice(0, Math.max(2, end))
}

interface Place {
  /** The folder of the rejects. */
  readonly folder: string
  readonly files: Files
}

/**
 * Writes the rejects of these rows that were not replayed into one file, and syncs it. It is valid when its row
 * is committed in their place; the folder must be synced before.
 * @param rows follow each other, at least one
 * @throws SluiceError STATE_DAMAGED if a file is not what was committed
 */
export async function mergeRejects(rows: readonly LocalRejectsRow[], place: Place): Promise<LocalRejectsRow> {
  const [{ epoch }] = rows
  const edition = Math.max(...rows.map((row) => row.edition ?? 0)) + 1
  const name = `${String(epoch).padStart(8, '0')}.${edition}.ndjson`
  const path = join(place.folder, name)
  const merged = new MergedFile(await place.files.open(path, 'wx'))
  try {
    for (const row of rows) await copyPending(row, merged, place)
    await merged.finish()
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'STATE_DAMAGED') await place.files.unlink(path)
    throw error
  } finally {
    await merged.close()
  }
  const { bytes, sha256, lines } = merged
  const records = rows.reduce((sum, row) => sum + row.records, 0)
  const replayed = joinReplayed(rows)
  const parts = rows.flatMap((row) => partsOf(row))
  const [{ committedAt }] = parts
  return {
    epoch,
    file: name,
    bytes,
    records,
    sha256,
    ...(replayed && { replayed }),
    ...(parts.length > 1 ? { parts } : committedAt !== undefined && { committedAt }),
    ...(lines < records && { lines }),
    edition,
  }
}

async function copyPending(row: LocalRejectsRow, merged: MergedFile, { folder, files }: Place): Promise<void> {
  const path = join(folder, row.file)
  const isKept = isPending(row)
  const hash = createHash('sha256')
  const file = await files.open(path, 'r').catch((cause: unknown) => {
    throw damaged(path, cause)
  })
  try {
    let open = Buffer.alloc(0)
    const buffer = Buffer.alloc(Math.min(READ_BYTES, row.bytes))
    for (let at = 0; at < row.bytes;) {
      const read = await file.read(buffer.subarray(0, Math.min(buffer.length, row.bytes - at)), at)
      if (read === 0) break
      at += read
      hash.update(buffer.subarray(0, read))
      const all = Buffer.concat([open, buffer.subarray(0, read)])
      let from = 0
      for (let end = all.indexOf(LINE_FEED); end >= 0; end = all.indexOf(LINE_FEED, from)) {
        const line = all.subarray(from, end + 1)
        const id = idOfLine(line)
        if (id && isKept(id)) await merged.append(line)
        from = end + 1
      }
      open = Buffer.from(all.subarray(from))
    }
  } finally {
    await file.close()
  }
  if (hash.digest('hex') !== row.sha256) throw damaged(path)
}

const READ_BYTES = 1 << 20

/** A line begins with its id, see `rejectLine`. */
function idOfLine(line: Buffer): RejectId | undefined {
  const [, id] = /^\{"id":"(\d+-\d+)"/.exec(line.toString('latin1', 0, ID_BYTES)) ?? []
  return id === undefined ? undefined : parseRejectId(id)
}

/** The longest `{"id":"…"`. */
const ID_BYTES = 48

function damaged(path: string, cause?: unknown): SluiceError {
  return new SluiceError('STATE_DAMAGED', `${path} is not what was committed: restore the whole state folder`, {
    cause,
  })
}

class MergedFile {
  readonly #file: OpenFile
  readonly #hash = createHash('sha256')
  #waiting: Buffer[] = []
  #waitingBytes = 0
  bytes = 0
  lines = 0
  sha256 = ''

  constructor(file: OpenFile) {
    this.#file = file
  }

  async append(line: Buffer): Promise<void> {
    this.#waiting.push(line)
    this.#waitingBytes += line.length
    this.lines++
    if (this.#waitingBytes >= READ_BYTES) await this.#write()
  }

  async finish(): Promise<void> {
    await this.#write()
    await this.#file.fdatasync()
    this.sha256 = this.#hash.digest('hex')
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting)
    await this.#file.write(bytes, this.bytes)
    this.#hash.update(bytes)
    this.bytes += bytes.length
    this.#waiting = []
    this.#waitingBytes = 0
  }
}
