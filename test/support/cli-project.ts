import type { TestContext } from 'node:test'
import { openWorkspace } from './command.ts'
import type { Workspace } from './command.ts'

/** A workspace with these files in it. */
export async function openProject(t: TestContext, files: { readonly [path: string]: string }): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  for (const [path, content] of Object.entries(files)) await workspace.write(path, content)
  return workspace
}
