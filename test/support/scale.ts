/**
 * How many times as many random cases, fault mixes and kills the tests try. For example
 * `SLUICE_TEST_SCALE=20 npm test -- test/system/crash`. Below 1 only crashes are fewer: a part of their points is
 * tried, drawn at random.
 */
export const SCALE = Number(process.env['SLUICE_TEST_SCALE'] ?? 1)

if (!(SCALE > 0)) throw new Error('SLUICE_TEST_SCALE must be a number above 0')

/** A number of cases under `SLUICE_TEST_SCALE`. */
export function scaled(count: number): number {
  return Math.round(count * Math.max(1, SCALE))
}
