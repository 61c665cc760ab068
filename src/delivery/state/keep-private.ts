import { dirname } from 'node:path'
import { isOpenToOthers, makePrivate } from '../../files.ts'
import type { Note } from '../../observe/messages/table.ts'

/**
 * Keeps other users out of a state folder, which holds events in clear, and says what it changed.
 * @throws SluiceError FOLDER_UNSAFE
 */
export async function keepPrivate(folder: string, note: Note = () => {}): Promise<void> {
  for (const path of await makePrivate(folder, FOLDERS)) {
    note('state.folder.closed', { folder: path })
  }
  const parent = dirname(folder)
  if (!(await isOpenToOthers(parent))) return
  note('state.folder.exposed', { folder: parent })
}

/** The folders in a state folder. */
const FOLDERS = ['state', 'outbox', 'dedup', 'rejects', 'shards']
