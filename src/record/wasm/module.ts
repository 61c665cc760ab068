import { readFileSync } from 'node:fs'
import { SCANNER } from '../../package.ts'

/**
 * The exports of the module in `assembly/`: first the addresses and capacities of its `layout.ts`,
 * then state and functions.
 */
export interface ScannerModule {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }

  readonly TABLES: Global
  readonly TABLE_COUNT: Global
  readonly TABLE_BYTES: Global
  readonly ACCEPTS: Global
  readonly ACCEPT_COUNT: Global
  readonly ACCEPT_BYTES: Global
  readonly MANY: Global
  readonly TOO_MANY: Global
  readonly RECORDS: Global
  readonly MAX_RECORDS: Global
  readonly HITS: Global
  readonly MAX_HITS: Global
  readonly COLUMNS: Global
  readonly INPUT: Global
  readonly INPUT_BYTES: Global
  readonly MAX_DEPTH: Global
  readonly TOKENS: Global
  readonly TOKENS_BYTES: Global
  readonly NIBBLES: Global
  readonly TELLING: Global
  readonly NEEDLE_FIRST: Global
  readonly NEEDLES: Global
  readonly NEEDLE_BYTES: Global
  readonly OUTPUT: Global
  readonly END: Global

  readonly count: Global
  readonly hitCount: Global
  readonly lines: Global
  readonly covered: Global
  readonly columnsFit: Global
  readonly elements: Global
  readonly written: Global
  readonly openDepth: Global
  readonly openString: Global
  readonly openEscape: Global
  readonly openStart: Global
  clearTable(table: number): void
  begin(
    table: number,
    maxRecords: number,
    maxHits: number,
    maxDepth: number,
    maxLine: number,
    utf8: boolean,
    paths: number,
    watches: boolean,
    traits: number,
  ): void
  scanWindow(length: number, offset: number): void
  splitElements(start: number, length: number, inArray: boolean, longest: number): number
  splitOpenElement(length: number, depth: number, inString: boolean, escaped: boolean): number
  hashMessages(count: number, k0: bigint, k1: bigint): void
  hashContents(count: number, origin: number): void
  writeRanges(count: number, origin: number, firstHit: number): number
}

interface Global {
  readonly value: number
}

/** The functions that the module calls while it scans, see `assembly/host.ts`. */
export interface Host {
  stepKey(state: number, start: number, end: number): number
  stepElement(state: number): number
  watchedSet(accept: number, isTrait: number): number
  isUtf8(start: number, end: number): boolean
}

const PAGE = 65_536

/**
 * Loads the module and allocates its fixed memory.
 * @throws Error if WebAssembly with SIMD is not available, or the module was not built.
 */
export function loadModule(host: Host): ScannerModule {
  const module = new WebAssembly.Module(readFileSync(SCANNER))
  const { exports } = new WebAssembly.Instance(module, { host })
  const { memory, END } = exports
  memory.grow(Math.ceil((END.value - memory.buffer.byteLength) / PAGE))
  return exports
}

/** True if the module would load. */
export function isModuleValid(): boolean {
  try {
    return WebAssembly.validate(readFileSync(SCANNER))
  } catch {
    return false
  }
}

/** The types of Node.js 20 do not declare WebAssembly. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: { readonly host: Host }) => { readonly exports: ScannerModule }
}
