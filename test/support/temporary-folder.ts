import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A test, or the hooks of a file: `temporaryFolder({ after })`. */
interface Scope {
  after(clean: () => Promise<void>): void
}

/** An empty folder, as a path without symbolic links. It is removed at the end of the scope. */
export async function temporaryFolder(scope: Scope, parent = tmpdir()): Promise<string> {
  const folder = await realpath(await mkdtemp(join(parent, 'sluice-test-')))
  // A process that was just killed may still write.
  scope.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}
