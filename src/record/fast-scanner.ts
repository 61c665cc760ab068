import { SluiceError } from '../errors.ts'
import { isModuleValid } from './wasm/module.ts'
import { WasmScanner } from './wasm/scanner.ts'

/** Which scanner this process uses. */
interface ScannerInUse {
  readonly name: 'wasm' | 'typescript'
  /** For `typescript`: why the WebAssembly scanner is not used. */
  readonly reason?: string
}

interface Choice {
  readonly scanner?: WasmScanner
  readonly reason?: string
}

let chosen: Choice | undefined

/** Bytes of this process so far that were scanned without the WebAssembly scanner. */
let scanned = 0

/** To load the scanner takes as long as to scan this many bytes in TypeScript. */
const LOAD_AFTER = 256 * 1024

/**
 * The WebAssembly scanner; undefined if it cannot load here, or if this process has not had enough
 * to scan yet. The results are the same without it, but scans take several times as long.
 *
 * @param bytes to be scanned now; 0 for work on what was scanned. Default: load it in any case.
 *
 * The environment variable SLUICE_SCANNER forces a scanner. It is read once.
 * @throws SluiceError USAGE if SLUICE_SCANNER is neither `wasm` nor `typescript`; UNSUPPORTED if it
 * is `wasm` and the scanner cannot load.
 */
export function fastScanner(bytes = Infinity): WasmScanner | undefined {
  if (chosen !== undefined) return chosen.scanner
  const forced = process.env['SLUICE_SCANNER'] ?? ''
  scanned += bytes
  if (forced === '' && scanned < LOAD_AFTER) return undefined
  chosen = choose(forced)
  return chosen.scanner
}

/**
 * Says which scanner is in use, for the log. Never throws: an error of `fastScanner` becomes the
 * `reason`.
 */
export function scannerInUse(): ScannerInUse {
  try {
    const isForced = (process.env['SLUICE_SCANNER'] ?? '') !== ''
    // To find out whether it could load takes no time.
    if (chosen === undefined && !isForced && isModuleValid()) return { name: 'wasm' }
    if (fastScanner() !== undefined) return { name: 'wasm' }
  } catch (error) {
    return { name: 'typescript', reason: messageOf(error) }
  }
  return { name: 'typescript', ...(chosen?.reason !== undefined && { reason: chosen.reason }) }
}

function choose(forced: string): Choice {
  if (forced === 'typescript') return { reason: 'SLUICE_SCANNER is typescript' }
  if (forced !== '' && forced !== 'wasm') {
    throw new SluiceError('USAGE', `SLUICE_SCANNER is ${JSON.stringify(forced)}; it must be wasm or typescript`)
  }
  try {
    return { scanner: new WasmScanner() }
  } catch (error) {
    if (forced !== 'wasm') return { reason: messageOf(error) }
    throw new SluiceError('UNSUPPORTED', 'SLUICE_SCANNER is wasm, but the WebAssembly scanner cannot load', {
      cause: error,
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
