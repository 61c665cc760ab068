/** Keeps the latest items of an endless sequence. */
export class Latest<Item> {
  readonly #most: number
  #items: Item[] = []

  /** @param most how many are kept */
  constructor(most: number) {
    this.#most = most
  }

  add(item: Item): void {
    this.#items.push(item)
    // Not for each one: removing the first of thousands moves the others.
    if (this.#items.length >= 2 * this.#most) this.#items = this.#items.slice(-this.#most)
  }

  get last(): Item | undefined {
    return this.#items.at(-1)
  }

  /** The oldest first. */
  get items(): readonly Item[] {
    return this.#items.slice(-this.#most)
  }
}
