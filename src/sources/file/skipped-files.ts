import { plural } from '../../observe/report.ts'

/** What a search found and did not take, by reason. Names of the first few are kept. */
export class SkippedFiles {
  readonly #reasons = new Map<string, { readonly count: number; readonly names: readonly string[] }>()

  /** @param reason In the plural: `links to folders`. */
  add(reason: string, name: string): void {
    this.#add(reason, 1, [name])
  }

  addAll(others: SkippedFiles): void {
    for (const [reason, { count, names }] of others.#reasons) this.#add(reason, count, names)
  }

  /** One line for each reason. */
  lines(): { readonly reason: string; readonly count: number; readonly files: string }[] {
    return [...this.#reasons].map(([reason, { count, names }]) => ({ reason, count, files: list(count, names) }))
  }

  /** For the error that nothing was found. */
  hint(): { hint?: string } {
    const found = [...this.#reasons].map(([reason, { count, names }]) => `${reason}: ${list(count, names)}`)
    return found.length === 0 ? {} : { hint: `skipped ${found.join('; ')}` }
  }

  #add(reason: string, count: number, names: readonly string[]): void {
    const known = this.#reasons.get(reason) ?? { count: 0, names: [] }
    this.#reasons.set(reason, {
      count: known.count + count,
      names: [...known.names, ...names].slice(0, MAX_NAMES),
    })
  }
}

const MAX_NAMES = 3

function list(count: number, names: readonly string[]): string {
  const more = count - names.length
  return names.join(', ') + (more > 0 ? ` and ${plural(more, 'other')}` : '')
}
