import { lstatSync, mkdirSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Lets V8 keep the code that it compiles for the next start of the command, in
 * `$XDG_CACHE_HOME/sluice` or `~/.cache/sluice`. Node.js before 22.8 has no such cache. It does
 * nothing where the folder cannot be made, such as on a read-only file system, or where another user
 * could write to it: what is in it is run. `NODE_COMPILE_CACHE` names another folder, and
 * `NODE_DISABLE_COMPILE_CACHE=1` turns the cache off.
 */
export function useCompileCache(): void {
  const { enableCompileCache }: CompileCache = nodeModule
  if (enableCompileCache === undefined || process.env['NODE_COMPILE_CACHE'] !== undefined) return
  try {
    const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (isPrivate(folder)) enableCompileCache(folder)
  } catch {
    // A start without the cache is slower, and otherwise the same.
  }
}

/** The types of Node.js 20 do not have it. */
interface CompileCache extends Pick<typeof nodeModule, 'isBuiltin'> {
  readonly enableCompileCache?: (folder: string) => unknown
}

function isPrivate(folder: string): boolean {
  const stats = lstatSync(folder)
  if (process.getuid === undefined) return stats.isDirectory()
  return stats.isDirectory() && stats.uid === process.getuid() && (stats.mode & 0o022) === 0
}
