import type { Note } from '../../observe/messages/table.ts'
import type { Context } from '../../component.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import { LineReader } from './line-reader.ts'

/**
 * What a program writes to its standard error, as lines of the log: the first lines of a run, and the last
 * ones before a failure. The text is the program's own, so it may hold anything.
 */
export class Messages {
  readonly #stage: string
  readonly #note: Note
  #left = MOST_LINES
  #unlogged: string[] = []
  #count = 0

  constructor({ stage }: Pick<Context, 'stage'>, note: Note = () => undefined) {
    this.#stage = stage
    this.#note = note
  }

  /** A reader for the output of one process. */
  reader(): LineReader {
    return new LineReader(LONGEST, (line) => this.#add(line.toString().trimEnd()))
  }

  /** The program has failed: its last lines say why. */
  logLast(): void {
    if (this.#count > this.#unlogged.length) {
      this.#note('exec.output.skipped', { stage: this.#stage, lines: this.#count })
    }
    for (const line of this.#unlogged) this.#log(line)
    this.#unlogged = []
    this.#count = 0
  }

  #add(line: string): void {
    if (line === '') return
    if (this.#left > 0) {
      this.#log(line)
      if (--this.#left === 0) this.#note('exec.output.left', { stage: this.#stage })
      return
    }
    this.#count++
    this.#unlogged.push(line)
    if (this.#unlogged.length > LAST_LINES) this.#unlogged.shift()
  }

  #log(line: string): void {
    // A secret that is cut would not be found any more.
    const shown = hideSecrets(line)
    const text = shown.length > SHOWN ? `${shown.slice(0, SHOWN)}…` : shown
    this.#note('exec.output', { stage: this.#stage, text })
  }
}

/** Lines of a run that are logged, and last lines before a failure. */
const MOST_LINES = 100
const LAST_LINES = 5
/** Bytes of a line that are read, and characters that are shown. */
const LONGEST = 8192
const SHOWN = 500
