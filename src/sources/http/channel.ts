/**
 * Carries items from many producers to one consumer. A producer waits while the channel is full.
 */
export class Channel<Item> {
  readonly #capacity: number
  readonly #items: Item[] = []
  #end: { readonly error?: Error } | undefined
  #wakeConsumer: (() => void) | undefined
  readonly #producers: (() => void)[] = []

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Resolves once the item is in the channel. @throws if the channel is closed. */
  async put(item: Item): Promise<void> {
    while (this.#end === undefined && this.#items.length >= this.#capacity)
      await new Promise<void>((resolve) => this.#producers.push(resolve))
    if (this.#end !== undefined) throw new Error('the channel is closed')
    this.#items.push(item)
    this.#wakeConsumer?.()
  }

  /**
   * Ends the reader after the items that are already in the channel; with an error, the reader
   * throws it.
   */
  close(error?: Error): void {
    this.#end ??= error === undefined ? {} : { error }
    this.#wakeConsumer?.()
    for (const wake of this.#producers.splice(0)) wake()
  }

  async *read(): AsyncGenerator<Item, void> {
    while (true) {
      const item = this.#items.shift()
      if (item !== undefined) {
        this.#producers.shift()?.()
        yield item
      } else if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeConsumer = resolve
        })
      }
    }
  }
}
