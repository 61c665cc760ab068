import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A test, or the hooks of a file: `temporaryFolder({ after })`. */
interface Scope {
  after(clean: () => Promise<void>): void
}

/** An empty folder, as a path without symbolic links. It is removed at the end of the scope. */
export async function temporaryFolder(scope: Scope, parent = tmpdir()): Promise<string> {
  const { path, remove } = await createFolder(parent)
  scope.after(remove)
  return path
}

/** The same for code outside of a test: it removes the folder itself. */
export async function createFolder(parent = tmpdir()): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await realpath(await mkdtemp(join(parent, 'sluice-test-')))
  // A process that was just killed may still write.
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}
