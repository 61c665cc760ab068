import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Report } from '../../src/observe/report.ts'
import { MAIN } from './paths.ts'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder of its own in which `sluice` runs as its users run it: as a process. Removed, and its processes ended, with the test. */
export interface Workspace {
  readonly folder: string
  path(...names: string[]): string
  write(name: string, content: string | Buffer): Promise<string>
  sluice(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `sluice run` or `backfill` with a report; fails unless it ends with 0 (or the code that is given). */
  report(args: readonly string[], options?: CommandOptions & { code?: number }): Promise<Report>
  start(args: readonly string[], options?: CommandOptions): RunningCommand
}

export interface CommandOptions {
  readonly env?: { readonly [name: string]: string }
  readonly input?: string | Buffer
  /** Options of Node.js itself, such as `--max-old-space-size=64`. */
  readonly node?: readonly string[]
}

export interface RunningCommand {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<CommandResult>
}

export async function openWorkspace(context: TestContext): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  const running = new Set<() => void>()
  context.after(async () => {
    for (const end of running) end()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n')

  const start = (args: readonly string[], { env = {}, input, node = [] }: CommandOptions = {}): RunningCommand => {
    const child = spawn(process.execPath, [...node, MAIN, ...args], {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1', ...env },
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
    return { pid: child.pid ?? 0, kill: (signal) => void child.kill(signal), ended }
  }
  const sluice = (args: readonly string[], options?: CommandOptions) => start(args, options).ended
  let reports = 0

  return {
    folder,
    path: (...names) => join(folder, ...names),
    async write(name, content) {
      const path = join(folder, name)
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
