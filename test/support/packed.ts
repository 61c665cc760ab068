import { execFile } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { REPOSITORY } from './paths.ts'

const execute = promisify(execFile)

/**
 * Copies the files of the checkout that belong to it, without a build. Packing then builds there,
 * and does not touch what other tests run.
 */
export async function copyCheckout(folder: string): Promise<void> {
  // A deleted file is still in Git's list.
  const existing = `xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\\0" "$f"; done; :' sh`
  const list = `git ls-files -z --cached --others --exclude-standard --deduplicate | ${existing}`
  await runShell(`${list} | tar -cf - --null -T - | tar -xf - -C "$TO"`, { cwd: REPOSITORY, env: { TO: folder } })
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
}

export interface ShellResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface ShellOptions {
  readonly cwd: string
  readonly env?: { readonly [name: string]: string }
}

/** Runs a line of shell to its end, as a user would. npm takes what it has in its cache. */
export async function runShell(line: string, { cwd, env = {} }: ShellOptions): Promise<ShellResult> {
  const options = { cwd, env: { ...userEnvironment(), ...NPM, ...env }, maxBuffer: 2 ** 26 }
  try {
    return { code: 0, ...(await execute('bash', ['-o', 'pipefail', '-c', line], options)) }
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error && 'stderr' in error && 'code' in error)) throw error
    return { code: Number(error.code), stdout: String(error.stdout), stderr: String(error.stderr) }
  }
}

/** Options of npm, as variables. */
const NPM = {
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
}

/** For an installation: no script of a package runs. */
export const NO_SCRIPTS = { npm_config_ignore_scripts: 'true' }

/** Without what npm and the test runner pass on to the processes that they start. */
function userEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_(?!EXTRA_CA)|INIT_CWD$)/.test(name))
  return { ...Object.fromEntries(own), NO_COLOR: '1' }
}

/** True if npm failed because it reached no registry. */
export function isOffline({ stderr }: ShellResult): boolean {
  return /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(stderr)
}
