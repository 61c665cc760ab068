import { randomInt } from 'node:crypto'
import { createRandom } from './random.ts'
import type { Random } from './random.ts'
import { SCALE } from '../../../support/scale.ts'

/** Test everything, without regard to time. */
export const THOROUGH = SCALE >= 10

/** Random numbers for one test file. Prints the seed, so that `CRASH_SEED` can repeat them. */
export function seededRandom(what: string): { readonly seed: number; readonly random: Random } {
  const seed = Number(process.env['CRASH_SEED'] ?? randomInt(2 ** 31))
  process.stderr.write(`${what}: CRASH_SEED=${seed}\n`)
  return { seed, random: createRandom(seed) }
}
