import { isUtf8 } from 'node:buffer'
import type { Automaton } from '../paths/automaton.ts'
import type { Needles } from '../paths/needles.ts'
import { LINE_FEED } from '../json/ascii.ts'
import { fillColumns, HIT_STRIDE, numberLines, RECORD_STRIDE } from '../record-index.ts'
import type { RecordIndex, ScanTask } from '../record-index.ts'
import { acquireWords } from '../chunk-memory.ts'
import { loadModule } from './module.ts'
import type { ScannerModule } from './module.ts'

/**
 * Bytes that are copied into the module at a time, so that they are scanned while they are in the
 * CPU cache.
 */
export const WINDOW = 128 * 1024

/** The largest number that the module takes: its integers are signed. */
const MAX_INTEGER = 0x7fffffff

/**
 * The scanner in WebAssembly, with the same results as `scan-typescript.ts`, which is the
 * reference. The module is written in AssemblyScript (`assembly/`) and uses SIMD;
 * `scripts/build-wasm.js` compiles it.
 *
 * There is one instance per thread. The module has a fixed memory and allocates nothing
 * (`assembly/layout.ts`). A scan copies the lines into the module window by window, and copies the
 * finished index out. What exceeds the memory (a very long line, deep nesting, many hits) is left
 * to the TypeScript scanner: `scanLines` then returns undefined.
 *
 * Only one thing survives a scan: tables with the transitions of the automata in use, by (state,
 * raw key). The module calls `stepKey` or `stepElement` for a pair that it has not seen.
 *
 * Between two scans, the same memory serves `WasmArraySplitter`, `WasmWriter` and `WasmDigester`.
 *
 * Shared numbers are written once: see `shared-constants.ts` and `module.ts`.
 * `test/system/differential/` compares both engines on random lines.
 */
export class WasmScanner {
  readonly #module: ScannerModule
  readonly #bytes: Uint8Array
  readonly #shorts: Uint16Array
  readonly #numbers: Uint32Array
  /** The automaton of each table of the module. */
  readonly #tables: Table[] = []
  #nextTable = 0
  /** The needles that the module has. */
  #needles: Needles | undefined
  /** Input of the current scan, for the calls of the module. */
  #scanInput: { readonly bytes: Buffer; readonly table: Table } | undefined

  /** @throws Error if WebAssembly with SIMD is not available, or the module was not built. */
  constructor() {
    this.#module = loadModule({
      stepKey: (state, start, end) => this.#stepKey(state, start, end),
      stepElement: (state) => this.#stepElement(state),
      watchedSet: (accept, isTrait) => this.#watchedSet(accept, isTrait !== 0),
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

  /** Size of the module's memory. */
  get memoryBytes(): number {
    return this.#module.memory.buffer.byteLength
  }

  /**
   * Returns undefined if the input exceeds the fixed memory, or the automaton is full in the first
   * record. Use the TypeScript scanner then.
   */
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
      this.#watch(automaton),
      automaton.traits,
    )
    this.#scanInput = { bytes, table }
    const scanned = this.#scanWindows(bytes)
    this.#scanInput = undefined
    if (scanned < bytes.length) {
      const isRoomy = maxRecords <= MAX_RECORDS.value && maxHits <= MAX_HITS.value
      if (scanned < 0 || !isRoomy || this.#module.count.value === 0) return undefined
    }
    return this.#takeIndex(bytes, automaton, scanned)
  }

  /** Returns the number of bytes covered, -1 if a line is too long for the module. */
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

  /**
   * The end of the last line in the window, or of a line longer than the window; -1 if that line is
   * too long for the module.
   */
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

  /** The table of an automaton. A new automaton gets the table that was assigned longest ago. */
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
    return this.#transition(table, table.automaton.table.lookup(bytes, state, start, end))
  }

  #stepElement(state: number): number {
    const { table } = this.#current
    return this.#transition(table, table.automaton.stepElement(state))
  }

  #watchedSet(accept: number, isTrait: boolean): number {
    const { table } = this.#current
    const set = isTrait ? table.automaton.traitSet(accept) : table.automaton.watchedSet(accept)
    return this.#transition(table, set)
  }

  /** Prepares the module for the needles of an automaton. False if it has none. */
  #watch(automaton: Automaton): boolean {
    const { needles } = automaton
    if (needles === undefined) return false
    if (this.#needles === needles) return true
    const { NIBBLES, TELLING, NEEDLE_FIRST, NEEDLES, NEEDLE_BYTES } = this.#module
    this.#bytes.set(needles.nibbles, NIBBLES.value)
    this.#bytes.fill(15, NIBBLES.value + 32, NIBBLES.value + 48)
    this.#bytes.fill(0xf0, NIBBLES.value + 48, NIBBLES.value + 64)
    this.#bytes.set(needles.tellingNibbles, TELLING.value)
    this.#bytes.set(needles.first, NEEDLE_FIRST.value)
    for (const [number, { bytes, at, next, needsAt }] of needles.list.entries()) {
      const place = NEEDLES.value + (number + 1) * NEEDLE_BYTES.value
      this.#bytes.set([bytes[at - 1], bytes[at], at, bytes.length, next, needsAt ? 1 : 0], place)
      this.#bytes.set(bytes, place + NEEDLE_BYTES.value / 2)
    }
    this.#needles = needles
    return true
  }

  get #current(): { readonly bytes: Buffer; readonly table: Table } {
    if (this.#scanInput === undefined) throw new Error('no scan in progress')
    return this.#scanInput
  }

  /**
   * Passes on a transition, and first copies new accept sets into the module, which needs them for
   * the columns.
   */
  #transition(table: Table, transition: number): number {
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
  /** Number of accept sets that were copied into the module. */
  accepts: number
}
