import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import xterm from '@xterm/headless'
import type { Terminal } from '@xterm/headless'
import { MAIN } from './paths.ts'

/** script(1) of util-linux makes a pseudo-terminal. */
export const needsScript = spawnSync('script', ['--version']).status !== 0 && 'needs script(1)'

/** A test, or whatever ends the command. */
interface Scope {
  after(end: () => void): void
}

export interface TerminalOptions {
  readonly folder: string
  readonly columns: number
  readonly rows: number
  /** File that gets the name of the terminal. Default: `tty` in the folder. */
  readonly tty?: string
  readonly env?: { readonly [name: string]: string }
}

/** A command in a pseudo-terminal, and the screen that a person would see. */
export class TestTerminal {
  /** Everything that the command has written, with its escape sequences. */
  output = ''
  readonly #child: ChildProcess
  readonly #screen: Terminal
  readonly #tty: string
  #parsed: Promise<void> = Promise.resolve()

  /** @param command of a shell, or the arguments of `sluice` */
  constructor(t: Scope, command: string | readonly string[], options: TerminalOptions) {
    const { folder, columns, rows, tty = join(folder, 'tty'), env = {} } = options
    const shell = typeof command === 'string' ? command : `${process.execPath} ${MAIN} ${command.join(' ')}`
    this.#tty = tty
    this.#screen = new xterm.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true })
    const { NO_COLOR: _colour, CI: _ci, ...inherited } = process.env
    this.#child = spawn(
      'script',
      ['-qec', `stty cols ${columns} rows ${rows}; tty > '${tty}'; ${shell}; exit $?`, '/dev/null'],
      {
        cwd: folder,
        env: { ...inherited, TERM: 'xterm-256color', ...env },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
      this.#parsed = new Promise((resolve) => this.#screen.write(text, resolve))
    })
    t.after(() => this.#child.kill('SIGKILL'))
  }

  /** The lines of the screen, without those below the last text. */
  get lines(): string[] {
    return this.#read(this.#screen.buffer.active.baseY)
  }

  /** The lines that have scrolled out, and those of the screen. */
  get all(): string[] {
    return this.#read(0)
  }

  /** True if a line of the screen continues on the next one: it was too long. */
  get wraps(): boolean {
    const { active } = this.#screen.buffer
    return Array.from({ length: this.#screen.rows }, (_, row) => active.getLine(active.baseY + row)).some(
      (line) => line?.isWrapped === true,
    )
  }

  get screen(): Terminal {
    return this.#screen
  }

  /** Waits until the screen is as it should be. @throws Error if the command ends before */
  async until(isReached: (terminal: TestTerminal) => boolean): Promise<void> {
    while (!isReached(this)) {
      if (this.#child.exitCode !== null) throw new Error(`the command has ended:\n${this.all.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
      await this.#parsed
    }
  }

  /** Makes the terminal wider or narrower, as a person does with the mouse. */
  async resize(columns: number, rows: number): Promise<void> {
    const tty = (await readFile(this.#tty, 'utf8')).trim()
    // Right after a drawing: what is drawn for the old size must not arrive at the new one.
    const { length } = this.output
    await this.until(({ output }) => output.length > length)
    spawnSync('stty', ['-F', tty, 'cols', String(columns), 'rows', String(rows)])
    this.#screen.resize(columns, rows)
  }

  /** Types keys. */
  type(keys: string): void {
    this.#child.stdin?.write(keys)
  }

  /** Resolves with the status of the command. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, 'close')
    await this.#parsed
    return this.#child.exitCode
  }

  /** True if the last of these sequences that the command has written shows the cursor, or it has written none. */
  get isCursorVisible(): boolean {
    return this.output.lastIndexOf('\u001b[?25h') >= this.output.lastIndexOf('\u001b[?25l')
  }

  #read(from: number): string[] {
    const { active } = this.#screen.buffer
    const lines: string[] = []
    for (let row = from; row < active.length; row++) lines.push(active.getLine(row)?.translateToString(true) ?? '')
    while (lines.at(-1) === '') lines.pop()
    return lines
  }
}
