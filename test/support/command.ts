import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Report } from '../../src/observe/report.ts'
import { retireHost, runInHost } from './command-host.ts'
import type { CommandResult } from './command-host.ts'
import { MAIN } from './paths.ts'
import { temporaryFolder } from './temporary-folder.ts'

/**
 * A temporary folder in which `sluice` runs as a process. The test's end removes the folder and
 * kills its processes.
 */
export interface Workspace {
  readonly folder: string
  path(...names: string[]): string
  write(name: string, content: string | Buffer): Promise<string>
  /**
   * Runs a command to its end. Commands that need no process of their own share one, see
   * command-host.ts.
   */
  sluice(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /**
   * `sluice run` or `backfill` with a report; fails unless it ends with 0 (or the code that is
   * given).
   */
  report(args: readonly string[], options?: CommandOptions & { code?: number }): Promise<Report>
  /** Starts a process, for tests that signal, kill or watch it. */
  start(args: readonly string[], options?: CommandOptions): RunningCommand
}

export interface CommandOptions {
  readonly env?: { readonly [name: string]: string }
  readonly input?: string | Buffer
  /** Folder below that of the workspace to run in. */
  readonly cwd?: string
  /** Options of Node.js itself, such as `--max-old-space-size=64`. */
  readonly node?: readonly string[]
  /** It has no terminal, whatever starts the tests. */
  readonly detached?: boolean
  /** Runs this file in place of the command. */
  readonly program?: string
}

export interface RunningCommand {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  /** What it has written so far. */
  readonly output: { readonly stdout: string; readonly stderr: string }
  readonly ended: Promise<CommandResult>
}

export async function openWorkspace(context: TestContext): Promise<Workspace> {
  const running = new Set<() => void>()
  context.after(() => {
    for (const end of running) end()
  })
  const folder = await temporaryFolder(context)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n')

  const start = (args: readonly string[], options: CommandOptions = {}): RunningCommand => {
    const { input, node = [], program = MAIN, cwd = '.', detached = false } = options
    const child = spawn(process.execPath, [...node, program, ...args], {
      cwd: join(folder, cwd),
      env: environmentOf(options),
      detached,
    })
    const end = () => child.kill('SIGKILL')
    running.add(end)
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const ended = once(child, 'close').then(([code]: (number | null)[]) => {
      running.delete(end)
      return { code, ...output }
    })
    return { pid: child.pid ?? 0, kill: (signal) => void child.kill(signal), output, ended }
  }
  const sluice = (args: readonly string[], options: CommandOptions = {}) => {
    const env = environmentOf(options)
    const needsProcess = options.input !== undefined || options.node !== undefined || isReadAtStart(env)
    return (
      (needsProcess ? undefined : runInHost({ args, cwd: join(folder, options.cwd ?? '.'), env })) ??
      start(args, options).ended
    )
  }
  let reports = 0

  return {
    folder,
    path: (...names) => join(folder, ...names),
    async write(name, content) {
      const path = join(folder, name)
      // A process keeps the code that it has loaded.
      if (/\.[cm]?[jt]s$/.test(name) && existsSync(path)) retireHost()
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
      return path
    },
    sluice,
    start,
    async report(args, { code: expected = 0, ...options } = {}) {
      const path = join(folder, `report-${++reports}.json`)
      const { code, stderr } = await sluice([...args, '--report', path], options)
      if (code !== expected) throw new Error(`sluice ${args.join(' ')} ended with ${code}:\n${stderr}`)
      const report: Report = JSON.parse(await readFile(path, 'utf8'))
      return report
    },
  }
}

function environmentOf({ env = {} }: CommandOptions): NodeJS.ProcessEnv {
  return { ...process.env, NO_COLOR: '1', ...env }
}

/** Variables that Node.js or Sluice reads once, at the start of a process. */
function isReadAtStart(env: NodeJS.ProcessEnv): boolean {
  return Object.keys(env).some(
    (name) => /^(NODE_(?!V8_COVERAGE|TEST_CONTEXT)|SLUICE_SCANNER$|TZ$)/.test(name) && env[name] !== process.env[name],
  )
}

/** What the AWS SDK needs to find a local S3 server. */
export function s3Environment(server: {
  endpoint: string
  region: string
  accessKeyId: string
  secretAccessKey: string
}) {
  return {
    AWS_ENDPOINT_URL_S3: server.endpoint,
    AWS_REGION: server.region,
    AWS_ACCESS_KEY_ID: server.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
  }
}
