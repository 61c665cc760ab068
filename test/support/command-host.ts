import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { CommandLine } from './command-host-process.ts'
import { codeFile } from './paths.ts'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let host: CommandHost | undefined

/**
 * Runs a command line in a process that this test file keeps for the purpose: starting Node.js and
 * loading Sluice takes longer than most commands. Returns undefined while that process is busy.
 */
export function runInHost(line: CommandLine): Promise<CommandResult> | undefined {
  host ??= new CommandHost(() => (host = undefined))
  return host.isBusy ? undefined : host.run(line)
}

/** Gives the next command line a new process, which has not loaded any custom code yet. */
export function retireHost(): void {
  host?.close()
  host = undefined
}

class CommandHost {
  readonly #child: ChildProcess
  #output = { stdout: '', stderr: '' }
  #code: number | null | undefined
  #resolve: ((result: CommandResult) => void) | undefined

  constructor(onClose: () => void) {
    this.#child = fork(codeFile('test/support/command-host-process.ts'), {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
    })
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text
        this.#finish()
      })
    }
    this.#child.on('message', (code: number) => {
      this.#code = code
      this.#finish()
    })
    // A command that ends its process ends the host.
    this.#child.once('close', (code) => {
      onClose()
      this.#resolve?.({ ...this.#output, code })
    })
    this.#keepAlive(false)
    // The host may have coverage to write.
    process.once('beforeExit', () => this.close())
  }

  get isBusy(): boolean {
    return this.#resolve !== undefined
  }

  async run(line: CommandLine): Promise<CommandResult> {
    this.#output = { stdout: '', stderr: '' }
    this.#code = undefined
    this.#keepAlive(true)
    try {
      return await new Promise<CommandResult>((resolve, reject) => {
        this.#resolve = resolve
        this.#child.send(line, (error) => error && reject(error))
      })
    } finally {
      this.#resolve = undefined
      this.#keepAlive(false)
    }
  }

  close(): void {
    if (!this.#child.connected) return
    this.#keepAlive(true)
    this.#child.disconnect()
  }

  /** Both streams end with a NUL once the exit code is known. */
  #finish(): void {
    const { stdout, stderr } = this.#output
    if (this.#code === undefined || !stdout.endsWith('\0') || !stderr.endsWith('\0')) return
    this.#resolve?.({ code: this.#code, stdout: stdout.slice(0, -1), stderr: stderr.slice(0, -1) })
  }

  /** An idle host does not keep the process of the tests alive. */
  #keepAlive(isBusy: boolean): void {
    const { channel, stdout, stderr } = this.#child
    for (const handle of [this.#child, channel, stdout, stderr]) {
      if (!(handle instanceof Object && 'ref' in handle && 'unref' in handle)) continue
      if (isBusy) handle.ref()
      else handle.unref()
    }
  }
}
