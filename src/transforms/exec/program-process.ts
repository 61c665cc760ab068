import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError, systemCode } from '../../errors.ts'
import { LineReader } from './line-reader.ts'
import type { Messages } from './messages.ts'

export interface ProcessOptions {
  /** Name of the stage, for messages. */
  readonly stage: string
  /** The program and its arguments. The program is a path, or a name to find in PATH. */
  readonly command: readonly string[]
  /** Absolute path. */
  readonly folder: string
  /** The whole environment of the program. */
  readonly env: { readonly [name: string]: string }
  /** Milliseconds without a byte in or out after which it counts as hung. */
  readonly timeout: number
  /** Longest line in bytes; longer ones are cut. */
  readonly longest: number
  readonly messages: Messages
}

/** How a process ended by itself. */
export interface Ending {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** It has read all that was written to it. */
  readonly hasReadAll: boolean
}

interface Exchange {
  /** Called for each line of the program's output. A throw ends the exchange and the process. */
  readonly receive: (line: Buffer, length: number) => void
  /** Asked after each line: true if nothing more is expected. Never true for the last exchange. */
  readonly isComplete: () => boolean
  /** Closes the program's input after these bytes. The exchange is then over when the process has ended. */
  readonly isLast: boolean
}

/**
 * A process of a program that reads lines and writes lines. It is in a process group of its own, so what
 * it has started ends with it. Writes and reads at the same time: neither waits for the other, so two full
 * pipes cannot block each other.
 */
export class ProgramProcess {
  readonly #options: ProcessOptions
  readonly #child: ChildProcessWithoutNullStreams
  #timer: NodeJS.Timeout | undefined
  readonly #closed: Promise<Ending>
  #exchange: (Exchange & { resolve(ending: Ending | undefined): void; reject(error: unknown): void }) | undefined
  #failure: unknown
  #unwritten = 0
  #isClosed = false
  #isEnding = false

  constructor(options: ProcessOptions) {
    this.#options = options
    const [program = '', ...args] = options.command
    const { folder: cwd, env, messages } = options
    this.#child = start(program, args, { cwd, env })
    const { stdin, stdout, stderr, pid } = this.#child
    if (pid !== undefined) addGroup(pid)
    const lines = new LineReader(options.longest, (line, length) => this.#receive(line, length))
    const notes = messages.reader()
    stdin.on('error', () => undefined)
    stdout.on('data', (bytes: Buffer) => {
      this.#timer?.refresh()
      this.#try(() => lines.push(bytes))
    })
    stdout.on('end', () => this.#try(() => lines.end()))
    stdout.on('error', (error) => this.#fail(error))
    stderr.on('data', (bytes: Buffer) => notes.push(bytes))
    stderr.on('end', () => notes.end())
    stderr.on('error', () => undefined)
    this.#closed = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#fail(notStarted(error, options))
        if (pid === undefined) this.#whenClosed(null, null, resolve)
      })
      this.#child.on('close', (status, signal) => this.#whenClosed(status, signal, resolve))
    })
  }

  /**
   * Writes bytes to the program, and reads its answers. One exchange at a time.
   * Returns how the process has ended, after the last exchange.
   * @throws SluiceError PROGRAM_FAILED
   */
  async exchange(bytes: Buffer, exchange: Exchange): Promise<Ending | undefined> {
    if (this.#failure !== undefined) throw this.#failure
    return new Promise((resolve, reject) => {
      this.#exchange = { ...exchange, resolve, reject }
      this.#timer = setTimeout(() => this.#fail(this.#hung()), this.#options.timeout)
      this.#write(bytes)
      if (exchange.isLast) this.#child.stdin.end()
    })
  }

  /** Ends the process at once, and all that it has started. Resolves when it is gone. */
  async kill(reason: unknown): Promise<undefined> {
    this.#fail(reason)
    await this.#closed
    return undefined
  }

  /**
   * Closes the input of the program, and gives it `grace` milliseconds to end by itself. Returns how it has
   * ended. @throws SluiceError PROGRAM_FAILED if it wrote a line that answers no record
   */
  async close(grace: number): Promise<Ending> {
    this.#isEnding = true
    this.#child.stdin.end()
    const timer = new AbortController()
    const late = sleep(grace, true, { signal: timer.signal }).catch(() => false)
    if (await Promise.race([late, this.#closed.then(() => false)])) this.#kill()
    timer.abort()
    const ending = await this.#closed
    if (this.#failure !== undefined) throw this.#failure
    return ending
  }

  #write(bytes: Buffer): void {
    this.#unwritten = bytes.length
    for (let at = 0; at < bytes.length; at += SLICE) {
      const slice = bytes.subarray(at, at + SLICE)
      // Node.js keeps what the program does not take yet: these are views of memory that is there anyway.
      this.#child.stdin.write(slice, (error) => {
        if (error) return
        this.#unwritten -= slice.length
        this.#timer?.refresh()
      })
    }
  }

  #receive(line: Buffer, length: number): void {
    if (this.#failure !== undefined) return
    const exchange = this.#exchange
    if (exchange === undefined) throw surplus(this.#options)
    exchange.receive(line, length)
    if (exchange.isComplete()) this.#finish(undefined)
  }

  #try(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fail(error)
    }
  }

  #finish(ending: Ending | undefined): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    clearTimeout(this.#timer)
    exchange?.resolve(ending)
  }

  #whenClosed(status: number | null, signal: NodeJS.Signals | null, resolve: (ending: Ending) => void): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    const { pid } = this.#child
    if (pid !== undefined) {
      killGroup(pid, 'SIGKILL')
      forgetGroup(pid)
    }
    const ending = { status, signal, hasReadAll: this.#unwritten === 0 }
    if (this.#failure === undefined && this.#exchange?.isLast === true) this.#finish(ending)
    else if (!this.#isEnding) this.#fail(ended(ending, this.#options))
    resolve(ending)
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    clearTimeout(this.#timer)
    const exchange = this.#exchange
    this.#exchange = undefined
    if (!this.#isClosed) this.#kill()
    exchange?.reject(this.#failure)
  }

  #kill(): void {
    const { pid, stdin, stdout, stderr } = this.#child
    if (pid === undefined) return
    killGroup(pid, 'SIGTERM')
    stdin.destroy()
    const timer = setTimeout(() => {
      killGroup(pid, 'SIGKILL')
      // A process that has left the group may hold them open.
      stdout.destroy()
      stderr.destroy()
    }, TERM_GRACE)
    void this.#closed.then(() => clearTimeout(timer))
  }

  #hung(): SluiceError {
    const { stage, timeout, command } = this.#options
    const waits = this.#unwritten > 0 ? 'has not read its input' : 'has written nothing'
    return new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${nameOf(command)} ${waits} for ${timeout / 1000} s`, {
      hint:
        this.#exchange?.isLast === true
          ? 'if it needs more time for a batch, raise timeout; if it has ended, something that it started keeps its stdout open: let that write elsewhere'
          : 'a program that keeps its output in a buffer answers nothing until that is full: run it with python3 -u, jq --unbuffered, grep --line-buffered, sed -u or stdbuf -oL, or use process: batch; if it only needs more time, raise timeout',
    })
  }
}

/** Bytes that are written at once; each is a sign of progress. */
const SLICE = 32 * 1024
/** Milliseconds between SIGTERM and SIGKILL. */
const TERM_GRACE = 400

/** Windows has no process groups. */
const IS_WINDOWS = process.platform === 'win32'

/** Never an argument: it may be a secret. */
export function nameOf([program = '']: readonly string[]): string {
  return program
}

function start(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: { readonly [name: string]: string } },
): ChildProcessWithoutNullStreams {
  return spawn(program, args, { ...options, detached: !IS_WINDOWS, stdio: 'pipe', windowsHide: true })
}

function notStarted(error: Error, { stage, command }: ProcessOptions): SluiceError {
  const code = systemCode(error) ?? error.message
  return new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${nameOf(command)} could not be started (${code})`, {
    hint: HINTS[code] ?? 'run the command by hand, in the folder of the pipeline file',
  })
}

const HINTS: { readonly [code: string]: string | undefined } = {
  ENOENT: 'install it where the pipeline runs, or write its path, relative to the pipeline file: ./enrich.py',
  EACCES: 'make it executable: chmod +x; or name the program that runs it: [python3, enrich.py]',
  ENOEXEC: 'its first line must name the program that runs it: #!/usr/bin/env python3; or write [python3, enrich.py]',
  E2BIG: 'its arguments are too long: put them into a file',
}

function ended({ status, signal }: Ending, { stage, command }: ProcessOptions): SluiceError {
  const how = signal === null ? `ended with status ${status}` : `was killed by ${signal}`
  return new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${nameOf(command)} ${how} before it had answered`, {
    hint: 'the log has what it wrote to stderr; nothing of the batch is committed, and the next run reads it again',
  })
}

function surplus({ stage, command }: ProcessOptions): SluiceError {
  return new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${nameOf(command)} wrote more lines than it was given`, {
    hint: 'it must write one line for each record, and nothing else to stdout; for a program that adds or removes records use process: batch with lines: any',
  })
}

/** Process groups that run. They end with this process, even if it ends by `process.exit`. */
const groups = new Set<number>()

function addGroup(pid: number): void {
  if (groups.size === 0) process.on('exit', killAll)
  groups.add(pid)
}

function forgetGroup(pid: number): void {
  groups.delete(pid)
  if (groups.size === 0) process.off('exit', killAll)
}

function killAll(): void {
  for (const pid of groups) killGroup(pid, 'SIGKILL')
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(IS_WINDOWS ? pid : -pid, signal)
  } catch {
    // It is gone.
  }
}
