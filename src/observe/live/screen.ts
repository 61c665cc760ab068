/*
 * A block of lines at the end of a terminal that is redrawn in place, while other output scrolls above
 * it. The cursor rests below the block, at the start of an empty line: terminals that wrap lines again
 * when they are resized leave that line alone. Each change is one write within a synchronised update
 * (CSI ? 2026), so that terminals never show half of one; nothing is cleared that is drawn again.
 */
import { isInBackground } from './terminal.ts'

export interface ScreenSize {
  /** Columns that a line may take. */
  readonly columns: number
  /** Lines that the block may have. */
  readonly rows: number
}

interface ScreenOptions {
  readonly stream: NodeJS.WriteStream
  /** The lines of the block. `plain` has no escape sequences. */
  render(size: ScreenSize): readonly ScreenLine[]
  /** Milliseconds between two drawings. */
  readonly interval: number
}

export interface ScreenLine {
  readonly text: string
  /** Columns that it takes. */
  readonly width: number
}

type Write = NodeJS.WriteStream['write']

/** Shows a block until `stop`, which removes it. One at a time in a process. */
export class Screen {
  readonly #options: ScreenOptions
  /** Writers of this terminal, whose output goes above the block. */
  readonly #patched: { readonly stream: NodeJS.WriteStream; readonly write: Write }[] = []
  /** The lines that stand on the terminal. */
  #drawn: readonly ScreenLine[] = []
  /** What was drawn last; drawn again only if it changes. */
  #frame = ''
  /** Output without its line feed yet. */
  #partial = ''
  /** Outputs since the last drawing. */
  #outputs = 0
  #timer: NodeJS.Timeout | undefined
  #isHidden = false

  constructor(options: ScreenOptions) {
    this.#options = options
  }

  start(): void {
    const { stream, interval } = this.#options
    for (const one of [process.stdout, process.stderr]) if (one.isTTY) this.#patch(one)
    stream.on('resize', this.#resized)
    process.on('exit', this.#exit)
    for (const [signal, listener] of this.#signals) process.on(signal, listener)
    this.#timer = setInterval(() => this.draw(), interval).unref()
    this.draw()
  }

  /** Removes the block, and shows the cursor again. No-op after the first call. */
  stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#leave()
    this.#options.stream.off('resize', this.#resized)
    process.off('exit', this.#exit)
    for (const [signal, listener] of this.#signals) process.off(signal, listener)
    for (const { stream, write } of this.#patched.splice(0)) stream.write = write
  }

  /** Draws the block as it is now. */
  draw(): void {
    if (this.#timer === undefined || isInBackground()) return
    const { columns, rows } = sizeOf(this.#options.stream)
    const lines = this.#options.render({ columns: columns - 1, rows: rows - 1 })
    const frame = lines.map(({ text }) => `${text}${ERASE_LINE_END}\r\n`).join('')
    this.#outputs = 0
    if (frame === this.#frame && this.#drawn.length > 0) return
    this.#write(`${this.#isHidden ? '' : HIDE_CURSOR}${this.#toStart()}${frame}${ERASE_BELOW}`)
    this.#isHidden = true
    this.#drawn = lines
    this.#frame = frame
  }

  /** Removes the block for now; the next drawing brings it back. */
  #leave(): void {
    const partial = this.#partial
    this.#partial = ''
    if (this.#isHidden || partial !== '')
      this.#write(`${this.#toStart()}${ERASE_BELOW}${partial}${this.#isHidden ? SHOW_CURSOR : ''}`)
    this.#isHidden = false
    this.#drawn = []
    this.#frame = ''
  }

  /** To the first column of the first line of the block. */
  #toStart(): string {
    const { columns } = sizeOf(this.#options.stream)
    // A terminal that became narrower has wrapped lines that were too long for it.
    const rows = this.#drawn.reduce((sum, { width }) => sum + Math.max(1, Math.ceil(width / columns)), 0)
    return rows === 0 ? '\r' : `\r\u001b[${rows}A`
  }

  #write(text: string): void {
    const { stream } = this.#options
    // oxlint-disable-next-line typescript/unbound-method -- it is called as a method of its stream
    const { write = stream.write } = this.#patched.find((one) => one.stream === stream) ?? {}
    write.call(stream, `${BEGIN_UPDATE}${text}${END_UPDATE}`)
  }

  /** Output of this process goes above the block. */
  #patch(stream: NodeJS.WriteStream): void {
    // oxlint-disable-next-line typescript/unbound-method -- it is put back as it was
    const write = stream.write
    this.#patched.push({ stream, write })
    const above = (chunk: Uint8Array | string, ...rest: readonly unknown[]): boolean => {
      const [first, second] = rest
      const encoding = typeof first === 'string' && Buffer.isEncoding(first) ? first : 'utf8'
      const callback = [first, second].find(isCallback)
      this.#output(typeof chunk === 'string' ? Buffer.from(chunk, encoding).toString() : Buffer.from(chunk).toString())
      if (callback) process.nextTick(callback)
      return true
    }
    stream.write = above
  }

  #output(text: string): void {
    const all = this.#partial + text
    const end = all.lastIndexOf('\n') + 1
    this.#partial = all.slice(end)
    if (end === 0) return
    // Where much is written, drawing the block each time would take longer than the writing.
    const redraws = this.#drawn.length > 0 && ++this.#outputs <= MOST_REDRAWS
    this.#write(`${this.#toStart()}${ERASE_BELOW}${all.slice(0, end)}${redraws ? this.#frame : ''}`)
    if (!redraws) {
      this.#drawn = []
      this.#frame = ''
    }
  }

  readonly #resized = (): void => this.draw()
  readonly #exit = (): void => this.stop()
  readonly #signals: readonly (readonly [NodeJS.Signals, () => void])[] = [
    [
      'SIGTSTP',
      () => {
        this.#leave()
        process.kill(process.pid, 'SIGSTOP')
      },
    ],
    [
      'SIGCONT',
      () => {
        // The shell has written meanwhile: the cursor is elsewhere, and visible.
        this.#drawn = []
        this.#frame = ''
        this.#isHidden = false
        this.draw()
      },
    ],
    [
      'SIGQUIT',
      () => {
        this.stop()
        process.kill(process.pid, 'SIGQUIT')
      },
    ],
  ]
}

/** Between two drawings. */
const MOST_REDRAWS = 5

const BEGIN_UPDATE = '\u001b[?2026h'
const END_UPDATE = '\u001b[?2026l'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
const ERASE_LINE_END = '\u001b[K'
const ERASE_BELOW = '\u001b[J'

function isCallback(value: unknown): value is () => void {
  return typeof value === 'function'
}

/** Terminals of unknown size report 0. */
function sizeOf({ columns, rows }: NodeJS.WriteStream): { columns: number; rows: number } {
  return { columns: columns || 80, rows: rows || 24 }
}
