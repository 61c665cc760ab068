import { errorCodes, systemCode } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { say } from '../observe/output.ts'
import { jsonLog } from './process-log.ts'

/** Milliseconds that a component has to close what it left open, once the command has ended. */
const LINGER = 3000

/**
 * Runs a command as the whole task of the process, and sees to it that the process ends with it:
 *
 * - When the command has ended and something still keeps the process alive (a timer or a connection
 *   that a component left open), the process is ended. A supervisor would otherwise see a live
 *   service that does nothing.
 * - When nothing is left to do and the command has not ended, an error is printed. Node.js would end
 *   the process with status 0 or 13, and without a message.
 * - When the reader of stdout or stderr closes its end (`| head`), the command continues without it.
 *   Node.js would end the process with a stack trace.
 */
export async function runToTheEnd(command: () => Promise<void>): Promise<void> {
  let hasEnded = false
  let isIdle = false
  process.on('beforeExit', () => (isIdle = true))
  process.on('exit', (status) => {
    if (hasEnded || status !== 0) return
    const why = isIdle
      ? 'it waits for a promise that is never resolved, and nothing is left that could resolve it'
      : 'code of a component called process.exit'
    fail('COMPONENT_STALLED', `the command did not finish: ${why}`)
    process.exitCode = errorCodes.COMPONENT_STALLED.exit
  })
  process.stdout.on('error', reportOutputError)
  // A log that cannot be written must not end a collector.
  process.stderr.on('error', () => {})
  await command()
  hasEnded = true
  setTimeout(() => void endProcess(), LINGER).unref()
}

/** Such as `ENOSPC`, when stdout is a file. A sink that writes to stdout reports its own errors too. */
function reportOutputError(error: Error): void {
  const code = systemCode(error) ?? error.message
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') return
  fail('SINK_FAILED', `cannot write to stdout: ${code}`)
  process.exitCode = errorCodes.SINK_FAILED.exit
}

function fail(code: ErrorCode, message: string): void {
  const log = jsonLog()
  if (log) log.note('process.failed', { error: code, reason: message })
  else say('', `sluice: ${code}: ${message}`)
}

async function endProcess(): Promise<void> {
  const open = process.getActiveResourcesInfo()
  // A reader that takes its time gets the whole output.
  await Promise.all([process.stdout, process.stderr].map(written))
  const shown = [...new Set(open)].join(', ')
  const log = jsonLog()
  if (log) log.note('process.lingering', { open: shown })
  else say(`sluice: the command has ended, but a component left something open (${shown}); ending the process`)
  process.exit()
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
