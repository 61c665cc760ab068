import { isUtf8 } from 'node:buffer'
import type { Automaton } from '../paths/automaton.ts'
import { LINE_FEED } from '../json/ascii.ts'
import { fillColumns, HIT_STRIDE, numberLines, RECORD_STRIDE } from '../record-index.ts'
import type { RecordIndex, ScanTask } from '../record-index.ts'
import { acquireWords } from '../chunk-memory.ts'
import { loadModule } from './module.ts'
import type { ScannerModule } from './module.ts'

/** So many bytes are copied in at a time, and are scanned while they are in the cache. */
export const WINDOW = 128 * 1024

/** Numbers of the module have a sign. */
const MAX_INTEGER = 0x7fffffff

/**
 * The scanner of `assembly/`, with the results of the TypeScript one. One for a thread: scans follow one another, its memory has a fixed
 * size, and nothing of a scan stays in it but what the automata in use have said about keys.
 */
export class WasmScanner {
  readonly #module: ScannerModule
  readonly #bytes: Uint8Array
  readonly #shorts: Uint16Array
  readonly #numbers: Uint32Array
  /** Whose answers each table of the module holds. */
  readonly #tables: Table[] = []
  #nextTable = 0
  /** Of the scan that is going on. */
  #asked: { readonly bytes: Buffer; readonly table: Table } | undefined

  /** @throws Error where there is no WebAssembly with SIMD, or the module was not built. */
  constructor() {
    this.#module = loadModule({
      stepKey: (state, start, end) => this.#stepKey(state, start, end),
      stepElement: (state) => this.#stepElement(state),
      isUtf8: (start, end) => isUtf8(this.#current.bytes.subarray(start, end)),
    })
    const { buffer } = this.#module.memory
    this.#bytes = new Uint8Array(buffer)
    this.#shorts = new Uint16Array(buffer)
    this.#numbers = new Uint32Array(buffer)
  }

  get module(): ScannerModule {
    return this.#module
  }

  /** Size of its memory. */
  get memoryBytes(): number {
    return this.#module.memory.buffer.byteLength
  }

  /** Undefined for what goes beyond the fixed memory, or ends in the very first record: that is left to the TypeScript scanner. */
  scanLines(task: ScanTask, automaton: Automaton): RecordIndex | undefined {
    const { bytes, limits, utf8, maxRecords, maxHits } = task
    const { MAX_RECORDS, MAX_HITS, MAX_DEPTH } = this.#module
    if (automaton.full || limits.maxDepth > MAX_DEPTH.value) return undefined
    const table = this.#tableOf(automaton)
    this.#module.begin(
      table.number,
      Math.min(maxRecords, MAX_RECORDS.value),
      Math.min(maxHits, MAX_HITS.value),
      limits.maxDepth,
      Math.min(limits.maxLine, MAX_INTEGER),
      utf8,
      automaton.pathCount,
    )
    this.#asked = { bytes, table }
    const scanned = this.#scanWindows(bytes)
    this.#asked = undefined
    if (scanned < bytes.length) {
      const isRoomy = maxRecords <= MAX_RECORDS.value && maxHits <= MAX_HITS.value
      if (scanned < 0 || !isRoomy || this.#module.count.value === 0) return undefined
    }
    return this.#takeIndex(bytes, automaton, scanned)
  }

  /** The number of bytes covered, -1 when a line is too long for the module. */
  #scanWindows(bytes: Buffer): number {
    const { INPUT, covered } = this.#module
    let scanned = 0
    while (scanned < bytes.length) {
      const end = this.#endOfWindow(bytes, scanned)
      if (end < 0) return -1
      this.#bytes.set(bytes.subarray(scanned, end), INPUT.value)
      this.#module.scanWindow(end - scanned, scanned)
      scanned += covered.value
      if (scanned < end) break
    }
    return scanned
  }

  /** The end of the last line within a window, or of a longer one; -1 when that is too long. */
  #endOfWindow(bytes: Buffer, start: number): number {
    if (bytes.length - start <= WINDOW) return bytes.length
    const end = bytes.lastIndexOf(LINE_FEED, start + WINDOW - 1) + 1
    if (end > start) return end
    const long = bytes.indexOf(LINE_FEED, start + WINDOW) + 1
    return long - start <= this.#module.INPUT_BYTES.value ? long : -1
  }

  #takeIndex(bytes: Buffer, automaton: Automaton, scanned: number): RecordIndex {
    const { pathCount, accepts, plain } = automaton
    const { RECORDS, HITS, COLUMNS, columnsFit } = this.#module
    const count = this.#module.count.value
    const lines = this.#module.lines.value
    const hitCount = this.#module.hitCount.value
    const words = acquireWords(RECORD_STRIDE * (count + 1) + HIT_STRIDE * hitCount + count * pathCount)
    const records = words.subarray(0, RECORD_STRIDE * (count + 1))
    const hits = words.subarray(records.length, records.length + HIT_STRIDE * hitCount)
    const columns = words.subarray(records.length + hits.length)
    this.#take(RECORDS.value, records)
    records.set([scanned, scanned, hitCount, 0], RECORD_STRIDE * count)
    this.#take(HITS.value, hits)
    const fit = columnsFit.value === 1
    if (fit) this.#take(COLUMNS.value, columns)
    else columns.fill(0)
    const lineNumbers = lines > count ? numberLines(bytes, { count, records }) : undefined
    const index: RecordIndex = { count, pathCount, records, hits, columns, accepts, scanned, lines, lineNumbers }
    if (!fit) fillColumns(index, plain)
    return index
  }

  #take(start: number, words: Uint32Array): void {
    words.set(this.#numbers.subarray(start / 4, start / 4 + words.length))
  }

  /** The table of an automaton. One that has none gets that which was given longest ago. */
  #tableOf(automaton: Automaton): Table {
    const known = this.#tables.find((table) => table.automaton === automaton)
    if (known !== undefined) return known
    const table = { automaton, number: this.#nextTable, accepts: 0 }
    this.#nextTable = (table.number + 1) % this.#module.TABLE_COUNT.value
    this.#tables[table.number] = table
    this.#module.clearTable(table.number)
    return table
  }

  #stepKey(state: number, start: number, end: number): number {
    const { bytes, table } = this.#current
    return this.#answer(table, table.automaton.table.lookup(bytes, state, start, end))
  }

  #stepElement(state: number): number {
    const { table } = this.#current
    return this.#answer(table, table.automaton.stepElement(state))
  }

  get #current(): { readonly bytes: Buffer; readonly table: Table } {
    if (this.#asked === undefined) throw new Error('no scan is going on')
    return this.#asked
  }

  /** A transition may be the first with its accept set, which the module then needs for columns. */
  #answer(table: Table, transition: number): number {
    const { full, accepts, plain } = table.automaton
    if (full) return -1
    const { TABLES, TABLE_BYTES, ACCEPTS, ACCEPT_BYTES, ACCEPT_COUNT, MANY, TOO_MANY } = this.#module
    const sets = TABLES.value + table.number * TABLE_BYTES.value + ACCEPTS.value
    for (; table.accepts < Math.min(accepts.length, ACCEPT_COUNT.value); table.accepts++) {
      const paths = accepts[table.accepts]
      const at = (sets + table.accepts * ACCEPT_BYTES.value) / 2
      const fit = paths.length < ACCEPT_BYTES.value / 2 && paths.every((path) => path < MANY.value)
      this.#shorts[at] = fit ? paths.length : TOO_MANY.value
      if (!fit) continue
      for (const [i, path] of paths.entries()) this.#shorts[at + 1 + i] = plain[path] === 1 ? path : path + MANY.value
    }
    return transition
  }
}

interface Table {
  readonly automaton: Automaton
  readonly number: number
  /** Number of its accept sets that the module knows. */
  accepts: number
}
