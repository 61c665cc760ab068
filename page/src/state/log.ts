import { signal } from '@preact/signals'
import type { ApiLogLine } from '../../../src/ui/api.ts'

/** The last lines of the log of a pipeline's runs. */
export class LogState {
  /** The oldest first. */
  readonly lines = signal<readonly ApiLogLine[]>([])
  readonly #numbers = new Map<string, number>()

  /** After each connection, the lines that are kept come again. */
  take(lines: readonly ApiLogLine[]): void {
    const added = lines.filter(({ run, number }) => {
      if (number <= (this.#numbers.get(run) ?? 0)) return false
      this.#numbers.set(run, number)
      return true
    })
    if (added.length > 0) this.lines.value = [...this.lines.peek(), ...added].slice(-MOST_LINES)
  }
}

const MOST_LINES = 500
