/**
 * Hashes (seed, index, lane) to 32 bits. Choices for one event never depend on another event, so
 * any event can be generated on its own. Each kind of choice has its own lane.
 */
export function hash32(seed: number, index: number, lane: number): number {
  return mix32(mix32(seed ^ Math.imul(index + 1, 0x9e3779b1)) ^ Math.imul(lane + 1, 0x85ebca6b))
}

/** True for the given share (0 to 1) of all (seed, index, lane). */
export function isAmong(fraction: number, seed: number, index: number, lane: number): boolean {
  return fraction > 0 && hash32(seed, index, lane) < fraction * 2 ** 32
}

/** The finalizer of MurmurHash3: a bijection on 32 bits. */
export function mix32(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Eight lower-case hex digits of 32 bits. */
export function hex8(value: number): string {
  return HEX4[value >>> 16] + HEX4[value & 0xffff]
}

const HEX4 = Array.from({ length: 0x10000 }, (_, value) => value.toString(16).padStart(4, '0'))
