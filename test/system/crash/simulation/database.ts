import type { Database, Key } from '../../../../src/delivery/state/database.ts'
import type { Random } from '../support/random.ts'
import type { Loss } from './disk.ts'
import type { Process } from './process.ts'

/**
 * The stored transactions of a database. A crash may lose unflushed transactions: the last ones,
 * each as a whole.
 */
export class StoredState {
  #durable: Rows = new Map()
  #unflushed: Rows[] = []

  get rows(): Rows {
    return this.#unflushed.at(-1) ?? this.#durable
  }

  /** The rows of one kind, in key order. */
  ofKind(kind: string) {
    const first = encode(kind)
    return [...this.rows]
      .filter(([key]) => key === first || key.startsWith(`${first}\0`))
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([, json]) => JSON.parse(json))
  }

  put(rows: Rows): void {
    this.#unflushed.push(rows)
  }

  flush(): void {
    this.#durable = this.rows
    this.#unflushed = []
  }

  crash(loss: Loss, random: Random): void {
    if (loss === 'kept') return
    const kept = loss === 'lost' ? 0 : random.below(this.#unflushed.length + 1)
    this.#unflushed = this.#unflushed.slice(0, kept)
    this.flush()
  }

  /** Loses the whole file. */
  lose(): void {
    this.#durable = new Map()
    this.#unflushed = []
  }

  /** The port of one process. */
  port(process: Process): Database {
    return new SimulatedDatabase(this, process)
  }
}

/** JSON text by encoded key. */
export type Rows = ReadonlyMap<string, string>

class SimulatedDatabase implements Database {
  readonly #state: StoredState
  readonly #process: Process
  /** Rows as the open transaction sees them. */
  #rows: Map<string, string> | undefined

  constructor(state: StoredState, process: Process) {
    this.#state = state
    this.#process = process
  }

  get(key: Key) {
    const json = this.#seen().get(encode(key))
    return json === undefined ? undefined : JSON.parse(json)
  }

  getRange({ start, end }: { start: Key; end: Key }) {
    const [from, to] = [encode(start), encode(end)]
    return [...this.#seen()]
      .filter(([key]) => key >= from && key < to)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([, json]) => ({ value: JSON.parse(json) }))
  }

  transactionSync<T>(change: () => T): T {
    return this.#process.actSync('transaction', () => {
      const rows = new Map(this.#state.rows)
      this.#rows = rows
      try {
        const result = change()
        this.#state.put(rows)
        return result
      } finally {
        this.#rows = undefined
      }
    })
  }

  putSync(key: Key, value: unknown): void {
    this.#changed().set(encode(key), JSON.stringify(value))
  }

  removeSync(key: Key): void {
    this.#changed().delete(encode(key))
  }

  get flushed(): Promise<void> {
    return this.#process.act('flush', () => this.#state.flush())
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #seen(): Rows {
    return this.#rows ?? this.#state.rows
  }

  #changed(): Map<string, string> {
    if (!this.#rows) throw new Error('no transaction is open')
    return this.#rows
  }
}

/** Encodes a key as text with the same order: part by part, numbers before texts. */
function encode(key: Key): string {
  const parts = Array.isArray(key) ? key : [key]
  return parts
    .map((part) => (typeof part === 'number' ? `1${String(1e9 + part).padStart(12, '0')}` : `2${String(part)}`))
    .join('\0')
}
