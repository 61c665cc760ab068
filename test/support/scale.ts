/**
 * How many times as many random cases, fault mixes and kills the tests try, at least 1. For example
 * `SLUICE_TEST_SCALE=20 npm test -- test/system/crash`.
 */
export const SCALE = Number(process.env['SLUICE_TEST_SCALE'] ?? 1)

if (!(SCALE >= 1)) throw new Error('SLUICE_TEST_SCALE must be a number of at least 1')

/** A number of cases under `SLUICE_TEST_SCALE`. */
export function scaled(count: number): number {
  return Math.round(count * SCALE)
}
