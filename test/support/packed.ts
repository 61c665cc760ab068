import { execFile } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { REPOSITORY } from './paths.ts'

const execute = promisify(execFile)

/**
 * Copies the files of the checkout that belong to it, without a build. Packing then builds there,
 * and does not touch what other tests run.
 */
export async function copyCheckout(folder: string): Promise<void> {
  const list = 'git ls-files -z --cached --others --exclude-standard --deduplicate'
  // A deleted file is still in Git's list.
  const existing = `${list} | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\\0" "$f"; done; :' sh`
  await runShell(`${existing} | tar -cf - --null -T - | tar -xf - -C "$TO"`, { cwd: REPOSITORY, env: { TO: folder } })
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
}

export interface ShellResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a line of shell to its end, as a user would. */
export async function runShell(
  line: string,
  { cwd, env = {} }: { cwd: string; env?: { readonly [name: string]: string } },
): Promise<ShellResult> {
  const options = { cwd, env: { ...userEnvironment(), ...env }, maxBuffer: 2 ** 26 }
  try {
    return { code: 0, ...(await execute('bash', ['-o', 'pipefail', '-c', line], options)) }
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error && 'stderr' in error && 'code' in error)) throw error
    return { code: Number(error.code), stdout: String(error.stdout), stderr: String(error.stderr) }
  }
}

/** Without what npm and the test runner tell the processes that they start. */
function userEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD$)/.test(name))
  return { ...Object.fromEntries(own), NO_COLOR: '1' }
}

/** Installs what npm has in its cache, without scripts. */
export const INSTALL = 'npm install --ignore-scripts --prefer-offline --no-audit --no-fund'

/**
 * Runs a line that installs packages. Returns undefined, and skips the test, if neither npm's cache
 * nor its registry has them.
 */
export async function installOrSkip(t: TestContext, line: string, cwd: string): Promise<ShellResult | undefined> {
  const result = await runShell(line, { cwd })
  if (result.code === 0) return result
  if (!/ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(result.stderr))
    throw new Error(`${line}\n${result.stdout}${result.stderr}`)
  t.skip('neither the cache of npm nor its registry has the dependencies')
  return undefined
}
