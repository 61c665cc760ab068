import { SluiceError } from '../errors.ts'
import { WasmScanner } from './wasm/scanner.ts'

let chosen: { readonly scanner: WasmScanner | undefined } | undefined

/**
 * The scanner in WebAssembly; undefined where it cannot run. The environment variable SLUICE_SCANNER forces a choice: `typescript`, or
 * `wasm`, which is then an error where it cannot run. It is read once.
 */
export function fastScanner(): WasmScanner | undefined {
  chosen ??= { scanner: choose(process.env['SLUICE_SCANNER']) }
  return chosen.scanner
}

function choose(forced: string | undefined): WasmScanner | undefined {
  if (forced === 'typescript') return undefined
  if (forced !== undefined && forced !== '' && forced !== 'wasm') {
    throw new SluiceError('USAGE', `SLUICE_SCANNER is ${JSON.stringify(forced)}: it can be wasm or typescript`)
  }
  try {
    return new WasmScanner()
  } catch (error) {
    if (forced !== 'wasm') return undefined
    throw new SluiceError('UNSUPPORTED', 'SLUICE_SCANNER is wasm, but the scanner in WebAssembly does not load', {
      cause: error,
    })
  }
}
