import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE } from '../package.ts'

/** What `sluice --version` prints. */
export function versionText(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  return version
}
