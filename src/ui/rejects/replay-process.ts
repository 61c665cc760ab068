import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { isErrorCode, SluiceError } from '../../errors.ts'
import type { Report } from '../../observe/report.ts'

interface ReplayOptions {
  /** The project folder. */
  readonly root: string
  /** The folder that holds the states of pipelines. */
  readonly states: string
  readonly name: string
  /** Of corrected rejects, as `sluice rejects replay` reads it. */
  readonly file: string
  /** A private folder for its report. */
  readonly folder: string
  /** Ends it after a clean commit. */
  readonly stop: AbortSignal
}

/**
 * Runs `sluice rejects replay` in a process of its own: it owns the state, and loads custom code.
 * @throws SluiceError as the command says
 */
export async function replayInProcess({ root, states, name, file, folder, stop }: ReplayOptions): Promise<Report> {
  const report = join(folder, 'report.json')
  const [, entry] = process.argv
  const options = [
    '--file',
    file,
    '--report',
    report,
    '--state',
    states,
    '--log-format',
    'json',
    '--log-level',
    'error',
  ]
  const child = spawn(process.execPath, [...process.execArgv, entry, 'rejects', 'replay', name, ...options], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C on the terminal reaches all of a group, and a second signal would end it without a commit.
    detached: true,
  })
  const end = (): void => void child.kill('SIGTERM')
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    const [log] = await Promise.all([text(child.stderr), once(child, 'close')])
    const made = await readFile(report, 'utf8').catch(() => undefined)
    const result: Report | undefined = made === undefined ? undefined : JSON.parse(made)
    if (result?.outcome === 'done' || result?.outcome === 'interrupted') return result
    throw errorIn(log)
  } finally {
    stop.removeEventListener('abort', end)
  }
}

/** The last line of the log says why a command has failed. */
function errorIn(log: string): SluiceError {
  const lines = log.trimEnd().split('\n')
  for (const line of lines.toReversed()) {
    const { code, error, message, reason, hint } = parse(line)
    if (code !== 'process.failed' || typeof error !== 'string' || !isErrorCode(error)) continue
    return new SluiceError(error, String(reason ?? message), typeof hint === 'string' ? { hint } : {})
  }
  return new SluiceError('INTERRUPTED', 'the replay has ended before its time, and says nothing of why', {
    hint: 'the rejects that it has not replayed are still in the queue: look at the list again',
  })
}

function parse(line: string): { readonly [name: string]: unknown } {
  try {
    const value: { readonly [name: string]: unknown } = JSON.parse(line)
    return value
  } catch {
    return {}
  }
}
