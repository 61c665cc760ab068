import { randomInt } from 'node:crypto'
import { createRandom } from './random.ts'
import type { Random } from './random.ts'

/** As `npm run torture` sets it: everything, however long it takes. */
export const THOROUGH = process.env['CRASH_THOROUGH'] === '1'

/** Luck for one test file, printed so that `CRASH_SEED` can repeat it. */
export function luck(what: string): { readonly seed: number; readonly random: Random } {
  const seed = Number(process.env['CRASH_SEED'] ?? randomInt(2 ** 31))
  process.stderr.write(`${what}: CRASH_SEED=${seed}\n`)
  return { seed, random: createRandom(seed) }
}
