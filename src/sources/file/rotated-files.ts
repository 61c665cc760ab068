import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileKey } from './inputs.ts'
import type { FileInput } from './inputs.ts'

/**
 * Finds files again that were renamed by a log rotation while they were followed: lines that were
 * written after the last poll, and before the writer opened the new file, are in the old one.
 */
export class RotatedFiles {
  /** The files of the last poll, by identity. */
  #followed = new Map<string, FileInput>()
  readonly #renamed = new Map<string, { readonly input: FileInput; readonly polls: number }>()

  /** The inputs of the next poll: renamed files first, because their lines are older. */
  async add(inputs: readonly FileInput[]): Promise<FileInput[]> {
    const present = new Set(inputs.map(({ key }) => key))
    const gone = [...this.#followed.values()].filter(({ key }) => !present.has(key))
    for (const [key, { input, polls }] of this.#renamed) {
      this.#renamed.delete(key)
      if (polls === 1 || present.has(key)) continue
      gone.push(input)
      this.#renamed.set(key, { input, polls: polls - 1 })
    }
    const found: FileInput[] = []
    for (const input of gone) {
      const renamed = await findRenamed(input)
      if (renamed === undefined) {
        this.#renamed.delete(input.key)
        continue
      }
      found.push(renamed)
      if (!this.#renamed.has(input.key)) this.#renamed.set(input.key, { input: renamed, polls: MAX_POLLS })
    }
    this.#followed = new Map(inputs.map((input) => [input.key, input]))
    return [...found, ...inputs]
  }
}

/** Polls after a rotation. A writer continues in the old file until it opens the new one. */
const MAX_POLLS = 30

/** The same file under another name in its folder. */
export async function findRenamed({ key, name }: Pick<FileInput, 'key' | 'name'>): Promise<FileInput | undefined> {
  const folder = dirname(name)
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue
    const path = join(folder, entry.name)
    const stats = await stat(path, { bigint: true }).catch(() => undefined)
    if (stats !== undefined && fileKey(stats) === key)
      return { key, name: path, kind: 'file', bytes: Number(stats.size) }
  }
  return undefined
}
