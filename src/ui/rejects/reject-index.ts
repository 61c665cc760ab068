import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { linesOf } from '../../delivery/rejects/local-rejects-reader.ts'
import { rejectsFolder } from '../../delivery/rejects/local-rejects.ts'
import { parseRejectId } from '../../delivery/rejects/reject-id.ts'
import type { RejectId } from '../../delivery/rejects/reject-id.ts'
import { withoutRecord } from '../../delivery/rejects/reject-line.ts'
import type { LocalRejectsRow } from '../../delivery/state/rows.ts'
import { SluiceError } from '../../errors.ts'

/** What rejects have in common, for filters. */
export interface Kind {
  readonly code: string
  readonly stage: string
}

/** Where the lines of a file of rejects are, and of which kind. 24 bytes a line. */
export interface FileIndex {
  readonly path: string
  readonly count: number
  readonly kinds: readonly Kind[]
  kindOf(number: number): Kind
  idOf(number: number): RejectId
  placeOf(number: number): { readonly offset: number; readonly length: number }
}

/**
 * The indexes of files of rejects, read once each: a file never changes after its commit. So a page, a filter and a
 * choice do not parse all rejects again.
 */
export class RejectIndexes {
  readonly #files = new Map<string, FileIndex>()

  /** Of these rows of a state. Forgets others of the same folder. @throws the error of the system */
  async of(folder: string, rows: readonly LocalRejectsRow[]): Promise<FileIndex[]> {
    const keys = new Set(rows.map((row) => keyOf(folder, row)))
    for (const key of this.#files.keys()) if (key.startsWith(`${folder}\0`) && !keys.has(key)) this.#files.delete(key)
    const indexes: FileIndex[] = []
    for (const row of rows) {
      const key = keyOf(folder, row)
      const index = this.#files.get(key) ?? (await readIndex(join(rejectsFolder(folder), row.file)))
      this.#files.set(key, index)
      indexes.push(index)
    }
    this.#makeRoom(folder)
    return indexes
  }

  /** Forgets other states. */
  #makeRoom(folder: string): void {
    const lines = [...this.#files.values()].reduce((sum, { count }) => sum + count, 0)
    if (lines <= MOST_LINES) return
    for (const key of this.#files.keys()) if (!key.startsWith(`${folder}\0`)) this.#files.delete(key)
  }
}

/** Lines of all indexes: about 50 MB. */
const MOST_LINES = 2_000_000

/** A state that begins again has files of the same names. */
function keyOf(folder: string, { file, sha256 }: LocalRejectsRow): string {
  return `${folder}\0${file}\0${sha256}`
}

async function readIndex(path: string): Promise<FileIndex> {
  const kinds: Kind[] = []
  const kindNumbers = new Map<string, number>()
  const [ofKind, epochs, ats, lengths, offsets]: number[][] = [[], [], [], [], []]
  let offset = 0
  for await (const line of linesOf(createReadStream(path))) {
    const facts: Kind & { readonly id: string } = JSON.parse(withoutRecord(line))
    const id = parseRejectId(facts.id)
    if (!id) throw new SluiceError('STATE_DAMAGED', `a line of ${path} has no id`)
    const name = JSON.stringify([facts.code, facts.stage])
    const kind = kindNumbers.get(name) ?? kinds.push({ code: facts.code, stage: facts.stage }) - 1
    kindNumbers.set(name, kind)
    ofKind.push(kind)
    epochs.push(id.epoch)
    ats.push(id.at)
    lengths.push(line.length)
    offsets.push(offset)
    offset += line.length + 1
  }
  const packed = {
    ofKind: Uint32Array.from(ofKind),
    epochs: Float64Array.from(epochs),
    ats: Uint32Array.from(ats),
    lengths: Uint32Array.from(lengths),
    offsets: Float64Array.from(offsets),
  }
  return {
    path,
    count: lengths.length,
    kinds,
    kindOf: (number) => kinds[packed.ofKind[number]],
    idOf: (number) => ({ epoch: packed.epochs[number], at: packed.ats[number] }),
    placeOf: (number) => ({ offset: packed.offsets[number], length: packed.lengths[number] }),
  }
}
