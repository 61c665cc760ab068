import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE } from '../package.ts'

/** What `sluice --version` prints: all that a report of a problem needs. */
export async function versionText(): Promise<string> {
  const { version }: { version: string } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  const { scannerInUse } = await import('../record/fast-scanner.ts')
  const { name, reason } = scannerInUse()
  const scanner = name === 'wasm' ? 'WebAssembly SIMD' : `TypeScript${reason === undefined ? '' : ` (${reason})`}`
  return `sluice ${version}, Node.js ${process.versions.node}, scanner ${scanner}`
}
