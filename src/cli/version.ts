import { readVersion } from '../package.ts'
import { isModuleValid } from '../record/wasm/module.ts'

/** What `sluice --version` prints: all that a report of a problem needs. */
export async function versionText(): Promise<string> {
  const { name, reason } = await scanner()
  const words = name === 'wasm' ? 'WebAssembly SIMD' : `TypeScript${reason === undefined ? '' : ` (${reason})`}`
  return `sluice ${readVersion()}, Node.js ${process.versions.node}, scanner ${words}`
}

/** Loads the scanners only where the usual one is not in use, to say why. */
async function scanner(): Promise<{ readonly name: string; readonly reason?: string }> {
  if ((process.env['SLUICE_SCANNER'] ?? '') === '' && isModuleValid()) return { name: 'wasm' }
  const { scannerInUse } = await import('../record/fast-scanner.ts')
  return scannerInUse()
}
