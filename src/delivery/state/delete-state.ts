import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Deletes everything in a state folder that this process owns: the database last, so that it can be repeated. */
export async function deleteState(folder: string): Promise<void> {
  const names = await readdir(folder)
  for (const name of names.toSorted((a, b) => Number(a === 'state') - Number(b === 'state'))) {
    await rm(join(folder, name), { recursive: true, force: true })
  }
}
