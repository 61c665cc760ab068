/** The keys of an object in which a key was looked for, to suggest one of them in a message. */
export interface SeenKeys {
  /** The document is an array. */
  readonly isArray: boolean
  /** The key that was looked for. */
  readonly wanted: string
  readonly keys: readonly string[]
  /** Those with an array. */
  readonly lists: readonly string[]
}

/** Collects keys of the deepest objects on the way to the records. */
export class KeyCollector {
  #isArray = false
  #wanted = ''
  #depth = -1
  #keys: string[] = []
  #lists: string[] = []

  /** @param depth Of the object: 0 for the document itself. */
  add(key: string, wanted: string, depth: number, isList: boolean): void {
    if (depth < this.#depth || !PLAIN_KEY.test(key)) return
    if (depth > this.#depth) {
      this.#depth = depth
      this.#wanted = wanted
      this.#keys = []
      this.#lists = []
    }
    if (this.#keys.length < MAX_KEYS) this.#keys.push(key)
    if (isList && this.#lists.length < MAX_KEYS) this.#lists.push(key)
  }

  /** Begins a document. */
  begin(isArray: boolean): void {
    this.#isArray = isArray
    this.#wanted = ''
    this.#depth = -1
    this.#keys = []
    this.#lists = []
  }

  get seen(): SeenKeys {
    return { isArray: this.#isArray, wanted: this.#wanted, keys: this.#keys, lists: this.#lists }
  }
}

/** Any other key may be data, such as an address. */
const PLAIN_KEY = /^[A-Za-z_]\w{0,63}$/

const MAX_KEYS = 64
