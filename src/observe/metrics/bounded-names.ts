/**
 * Bounds the values of a label. The first names keep theirs; those beyond the limit share one, so that
 * custom code, or an input with many files, cannot make more and more time series.
 */
export class BoundedNames {
  readonly #limit: number
  readonly #names = new Set<string>()

  constructor(limit: number) {
    this.#limit = limit
  }

  labelOf(name: string): string {
    if (this.#names.has(name)) return name
    if (this.#names.size >= this.#limit) return OTHER
    this.#names.add(name)
    return name
  }
}

/** The label of all names beyond the limit. */
const OTHER = 'other'
